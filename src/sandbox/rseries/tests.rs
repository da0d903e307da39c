//! Tests, all through the router in memory.
