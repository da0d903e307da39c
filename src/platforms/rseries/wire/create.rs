//! What items and matrices are created with (r-series-api.md, sections 4.1 and 4.4).

use serde_json::{Value, json};

use super::ItemWrite;
use crate::catalog::Money;

/// `itemType` of what is sold without being counted.
pub const NOT_COUNTED: &str = "non_inventory";

/// A new item.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemCreate {
    /// What an update could write as well; its price is not used.
    pub fields: ItemWrite,
    /// Amounts by price level (`useTypeID`).
    pub prices: Vec<(i64, Money)>,
    /// `itemType`, where it is not the default.
    pub item_type: Option<&'static str>,
    /// `itemMatrixID` of a variant.
    pub matrix_id: Option<i64>,
}

/// A new matrix.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MatrixCreate {
    /// `description`.
    pub description: String,
    /// Amounts by price level: what a variant begins with that is added in the shop.
    pub prices: Vec<(i64, Money)>,
}

impl ItemCreate {
    /// The request body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = self.fields.body();
        if let Some(fields) = body.as_object_mut() {
            if !self.prices.is_empty() {
                fields.insert("Prices".to_owned(), prices(&self.prices));
            }
            if let Some(kind) = self.item_type {
                fields.insert("itemType".to_owned(), json!(kind));
            }
            if let Some(matrix) = self.matrix_id {
                fields.insert("itemMatrixID".to_owned(), json!(matrix.to_string()));
            }
        }
        body
    }

    /// Drips it costs: as [`ItemWrite::cost`].
    #[must_use]
    pub fn cost(&self) -> f64 {
        let prices = self.prices.iter().map(|_| 0.5).sum::<f64>();
        self.fields.cost() + prices
    }
}

impl MatrixCreate {
    /// The request body. Tax and tax class are said outright: left out, they come back as none (section 4.4), and its
    /// goods would be sold untaxed.
    #[must_use]
    pub fn body(&self, set_id: i64) -> Value {
        json!({
            "description": self.description,
            "itemAttributeSetID": set_id.to_string(),
            "tax": "true",
            "taxClassID": "1",
            "Prices": prices(&self.prices),
        })
    }
}

fn prices(amounts: &[(i64, Money)]) -> Value {
    let row = |(level, amount): &(i64, Money)| json!({"amount": amount.to_string(), "useTypeID": level.to_string()});
    json!({ "ItemPrice": amounts.iter().map(row).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_variant_says_where_it_belongs_and_what_it_costs_on_every_level() {
        let fields = ItemWrite { description: Some("Tee S".into()), ..ItemWrite::default() };
        let amount: Money = "9.5".parse().unwrap();
        let create = ItemCreate {
            fields,
            prices: vec![(1, amount), (3, amount)],
            item_type: Some(NOT_COUNTED),
            matrix_id: Some(20),
        };
        assert_eq!(
            create.body(),
            json!({"description": "Tee S", "itemType": "non_inventory", "itemMatrixID": "20",
                "Prices": {"ItemPrice": [{"amount": "9.5", "useTypeID": "1"}, {"amount": "9.5", "useTypeID": "3"}]}})
        );
    }
}
