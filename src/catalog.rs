//! NOUNS, pure: the words in which Concord thinks about a product, whatever platform it came from.
//!
//! Nothing here knows a wire format, a table or a clock.

mod caps;
mod category;
mod facts;
mod field;
mod hold;
mod limits;
mod money;
mod side;
pub mod spelling;
mod stock;
mod value;

pub use caps::Caps;
pub use category::{Looks, Place, Shelf, ShelfState, Tree};
pub use facts::Facts;
pub use field::{Field, Rule, Rules, Way};
pub use hold::Hold;
pub use limits::{Limits, PLAN_FEATURE, PLAN_LIMIT, Use};
pub use money::Money;
pub use side::Side;
pub use stock::Stock;
pub use value::{Value, ValueError};
