//! THE field table: which field is what on either platform, and how it is carried by default.
//!
//! To add a field: a variant in [`Field`], a row here, one line each way in [`super::rseries`] and
//! [`super::eseries`] (categories: [`super::category`]). Merge, plan, ledger and interface follow by themselves.

use crate::catalog::{Field, Rule, Rules, Way};

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Our field.
    pub field: Field,
    /// Its name on R-Series.
    pub r_series: &'static str,
    /// Its name on E-Series.
    pub e_series: &'static str,
    /// In which direction it is carried unless a connection says otherwise.
    pub way: Way,
    /// Who wins when both changed, unless a connection says otherwise. Stock has no winner: it is a sum.
    pub rule: Rule,
}

/// The table.
pub const TABLE: [Row; 9] = [
    row(Field::Name, "description", "name"),
    row(Field::Sku, "customSku (or manufacturerSku, systemSku)", "sku"),
    row(Field::Price, "Prices: Online if above 0, else Default; written: Online", "price"),
    row(Field::Enabled, "publishToEcom", "enabled"),
    row(Field::Stock, "ItemShops.qoh, summed over the connected shops", "quantity"),
    row(Field::Options, "attribute names of the matrix's ItemAttributeSet", "names of the options"),
    row(Field::OptionValues, "ItemAttributes of the item", "options of the variation"),
    row(Field::Category, "categoryID of the item or matrix", "categoryIds, as far as the shop's tree goes"),
    Row {
        way: Way::RToE,
        ..row(Field::Images, "Images of the item or matrix", "media; the picture of a variation")
    },
];

const fn row(field: Field, r_series: &'static str, e_series: &'static str) -> Row {
    Row { field, r_series, e_series, way: Way::Both, rule: Rule::RWins }
}

/// Ways and rules as the table has them.
#[must_use]
pub fn default_rules() -> Rules {
    Rules(TABLE.iter().map(|row| (row.field, (row.way, row.rule))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_exactly_one_row() {
        let rows: Vec<Field> = TABLE.iter().map(|row| row.field).collect();
        assert_eq!(rows, Field::ALL);
    }
}
