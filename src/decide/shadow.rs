//! The shadow: what each side looked like when it was last in step with the other.

use serde::{Deserialize, Serialize};

use crate::catalog::{Facts, Field, Side, Value};

/// One shadow per side. They differ where the platforms do (a trimmed name, a product that arrived
/// disabled), and that is no reason to write: a side has changed when it differs from *its own* shadow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Shadow {
    /// What R-Series showed.
    #[serde(default)]
    pub r_series: Facts,
    /// What E-Series showed.
    #[serde(default)]
    pub e_series: Facts,
}

impl Shadow {
    /// The shadow of one side.
    #[must_use]
    pub fn side(&self, side: Side) -> &Facts {
        match side {
            Side::RSeries => &self.r_series,
            Side::ESeries => &self.e_series,
        }
    }

    /// The shadow of one side, to move it.
    pub fn side_mut(&mut self, side: Side) -> &mut Facts {
        match side {
            Side::RSeries => &mut self.r_series,
            Side::ESeries => &mut self.e_series,
        }
    }

    /// Both sides are in step in `field` with these values.
    pub fn settle(&mut self, field: Field, r: Value, e: Value) {
        self.r_series.set(field, r);
        self.e_series.set(field, e);
    }

    /// A stock change of `delta` pieces has reached the other side: both sides have accounted for it.
    ///
    /// Stock shadows move by what was *carried*, not to what was read: a sale that falls between a
    /// look and a write stays visible as a difference and is carried by the next visit.
    pub fn carry_stock(&mut self, delta: i64) {
        self.r_series.add_stock(delta);
        self.e_series.add_stock(delta);
    }
}
