//! THE CELLAR: all SQL, and the private database under it.

pub mod cluster;
