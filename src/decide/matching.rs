//! Which product on E-Series a product of the shop is. What is not certain is not guessed: a person is asked.
//!
//! A SKU is a merchant's own, so it may be missing, may be there twice, and may be written `AB-1` here and `ab-1`
//! there. Only one that is the same to the letter, and that nothing else could be taken for, ties two products.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ids::ProductId;

/// Several items of the shop have the SKU.
pub const SKU_TWICE_IN_SHOP: &str = "sku_twice_in_shop";
/// Several products on E-Series have the SKU, or the SKUs of the variants.
pub const SKU_TWICE_ONLINE: &str = "sku_twice_online";
/// SKUs differ in the case of their letters alone.
pub const SKU_CASE: &str = "sku_case";
/// There is no SKU, and a product of the same name.
pub const SKU_MISSING: &str = "sku_missing";
/// The SKU is that of a variation.
pub const SKU_OF_VARIATION: &str = "sku_of_variation";
/// A product has the SKU of a variant, and no variation of it has that of any.
pub const VARIANTS_DIFFER: &str = "variants_differ";

/// Something on E-Series that a product of the shop may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The product.
    pub e_product_id: i64,
    /// The variation that has the SKU; none for the product itself.
    pub e_combination_id: Option<i64>,
    /// The SKU by which it was found.
    pub sku: String,
    /// What it is called.
    pub name: String,
    /// The product of the shop to which it is tied already.
    pub tied_to: Option<ProductId>,
}

/// A product on E-Series that a product of the shop may be, as a person is shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Candidate {
    /// Its E-Series id.
    pub e_product_id: i64,
    /// What it is called.
    pub name: String,
    /// The SKUs for which it is a candidate, as E-Series shows them; none when it is one by its name.
    pub skus: Vec<String>,
    /// Tied to another product of the shop already.
    pub tied: bool,
}

/// A match that is for a person to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// Reason for programs.
    pub code: &'static str,
    /// Reason for the merchant.
    pub reason: String,
    /// What it may be.
    pub candidates: Vec<Candidate>,
}

/// Why two products are taken for the same: goes into the ledger with the tie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Evidence {
    /// The same SKU.
    Sku {
        /// The SKU.
        sku: String,
    },
    /// The SKUs of the variants.
    VariantSkus {
        /// The SKUs that both have.
        skus: Vec<String>,
        /// How many variants the shop has.
        of: usize,
    },
    /// The marker that only Concord writes.
    Marker,
    /// A variant with the same option values.
    OptionValues,
    /// A person said so.
    Operator,
}

impl Evidence {
    /// The same in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Sku { sku } => format!("the same SKU: {sku}"),
            Self::VariantSkus { skus, of } => {
                format!("the same SKUs of {} of {of} variants: {}", skus.len(), skus.join(", "))
            }
            Self::Marker => "the marker that Concord gave it".into(),
            Self::OptionValues => "the same option values".into(),
            Self::Operator => "an operator said so".into(),
        }
    }
}

/// What a product of the shop is on E-Series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that is there.
    Nobody,
    /// This product, for this reason.
    It(i64, Evidence),
    /// That is for a person to say.
    Doubt(Doubt),
}

/// Judges a simple product with this SKU. `twins` other items of the shop have the same, `case_twins` one that
/// differs in case alone; `found` is what E-Series has under it, whatever the case.
#[must_use]
pub fn simple(sku: &str, twins: i64, case_twins: i64, found: &[Found]) -> Verdict {
    let sku = sku.trim();
    if twins > 0 {
        return doubt(
            SKU_TWICE_IN_SHOP,
            format!(
                "The SKU {sku} belongs to {} items on R-Series, so it cannot tell which of them is which product. \
                 Give each its own SKU.",
                twins.saturating_add(1)
            ),
            found,
        );
    }
    let same = |found: &&Found| found.sku.trim() == sku;
    let free = |found: &&Found| found.tied_to.is_none();
    let own = |found: &&Found| found.e_combination_id.is_none();
    let products: BTreeSet<i64> = found.iter().filter(same).filter(own).map(|it| it.e_product_id).collect();
    let other_case = found.iter().filter(free).any(|it| !same(&it));
    let mut several = products.iter();
    match (several.next(), several.next()) {
        (Some(_), Some(_)) => doubt(
            SKU_TWICE_ONLINE,
            format!(
                "The SKU {sku} belongs to {} products on E-Series. Give each its own SKU, or say which of them it is.",
                products.len()
            ),
            found,
        ),
        (Some(product), None) if case_twins == 0 && !other_case => {
            Verdict::It(*product, Evidence::Sku { sku: sku.to_owned() })
        }
        (Some(_), None) => case(sku, found),
        (None, _) if other_case => case(sku, found),
        (None, _) if found.iter().filter(free).any(|it| same(&it)) => doubt(
            SKU_OF_VARIATION,
            format!(
                "The SKU {sku} is that of a variation on E-Series, and on R-Series that of an item that is no \
                 variant. Give one of them another SKU."
            ),
            found,
        ),
        (None, _) => Verdict::Nobody,
    }
}

/// Judges a product without a SKU: a name ties nothing, but is reason enough to ask.
#[must_use]
pub fn without_sku(name: &str, found: &[Found]) -> Verdict {
    if found.is_empty() {
        return Verdict::Nobody;
    }
    let reason = format!(
        "The item “{name}” has no SKU on R-Series, and E-Series has a product of that name. Say whether it is that \
         one, or give the item its SKU."
    );
    doubt(SKU_MISSING, reason, found)
}

/// Judges a product that only E-Series has, with SKUs of its own. `found` is what is in step and may be the same: it has
/// one of them, whatever the case, or it has none and is called alike.
#[must_use]
pub fn online(name: &str, skus: &[String], found: &[Found]) -> Option<Doubt> {
    let first = found.first()?;
    let other = first.e_product_id;
    let (code, like) = match first.sku.trim() {
        "" => (SKU_MISSING, format!("is called like the product {other}, which has no SKU")),
        sku if skus.iter().any(|own| own.trim() == sku) => {
            (SKU_TWICE_ONLINE, format!("has the SKU {sku}, like the product {other}"))
        }
        sku => {
            let like = format!(
                "has a SKU that differs from {sku}, that of the product {other}, in upper and lower case alone"
            );
            (SKU_CASE, like)
        }
    };
    let reason = format!(
        "“{name}” is on E-Series alone and {like}, and that one is in step with R-Series: it may be there twice. If they \
         are the same, delete the one that is too many; if not, say so, or give one of them another SKU."
    );
    Some(asked(code, reason, found))
}

/// Judges a product whose variants have these SKUs, of those that tell variants apart. `found` is what E-Series has
/// under any of them, whatever the case.
#[must_use]
pub fn with_variants(skus: &BTreeSet<String>, found: &[Found]) -> Verdict {
    let same = |found: &&Found| skus.contains(found.sku.trim());
    let mut products = BTreeMap::<i64, BTreeSet<String>>::new();
    for it in found.iter().filter(same) {
        let of_variations = products.entry(it.e_product_id).or_default();
        if it.e_combination_id.is_some() {
            of_variations.insert(it.sku.trim().to_owned());
        }
    }
    let other_case = found.iter().find(|it| it.tied_to.is_none() && !same(it));
    let several = products.len();
    match (products.pop_first(), several) {
        (None, _) => match other_case {
            Some(it) => case(it.sku.trim(), found),
            None => Verdict::Nobody,
        },
        (Some(_), 2..) => doubt(
            SKU_TWICE_ONLINE,
            format!(
                "The SKUs of the variants belong to {several} products on E-Series. Give each variant its own SKU, or \
                 say which of them it is."
            ),
            found,
        ),
        (Some((product, variations)), _) if variations.is_empty() => doubt(
            VARIANTS_DIFFER,
            format!(
                "The product {product} on E-Series has the SKU of a variant itself, and none of its variations has \
                 that of any variant, so it does not seem to be the same. Say whether it is, or give one of them \
                 another SKU."
            ),
            found,
        ),
        (Some((product, variations)), _) => {
            let skus_of_both = variations.into_iter().collect();
            Verdict::It(product, Evidence::VariantSkus { skus: skus_of_both, of: skus.len() })
        }
    }
}

fn case(sku: &str, found: &[Found]) -> Verdict {
    doubt(
        SKU_CASE,
        format!(
            "There are SKUs that differ from {sku} in upper and lower case alone, so it cannot be told whether they \
             mean the same. Say which product it is, or write the SKU alike on both sides."
        ),
        found,
    )
}

fn doubt(code: &'static str, reason: String, found: &[Found]) -> Verdict {
    Verdict::Doubt(asked(code, reason, found))
}

fn asked(code: &'static str, reason: String, found: &[Found]) -> Doubt {
    let mut candidates = BTreeMap::<i64, Candidate>::new();
    for it in found {
        let candidate = candidates.entry(it.e_product_id).or_insert_with(|| Candidate {
            e_product_id: it.e_product_id,
            name: it.name.clone(),
            skus: Vec::new(),
            tied: it.tied_to.is_some(),
        });
        if !it.sku.trim().is_empty() && !candidate.skus.contains(&it.sku) {
            candidate.skus.push(it.sku.clone());
        }
    }
    Doubt { code, reason, candidates: candidates.into_values().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(product: i64, variation: Option<i64>, sku: &str) -> Found {
        Found {
            e_product_id: product,
            e_combination_id: variation,
            sku: sku.into(),
            name: "It".into(),
            tied_to: None,
        }
    }

    fn code(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Nobody => "nobody",
            Verdict::It(..) => "it",
            Verdict::Doubt(doubt) => doubt.code,
        }
    }

    #[test]
    fn only_what_is_the_same_to_the_letter_and_alone_is_tied() {
        let judge = |twins, case_twins, found: &[Found]| code(simple("AB-1", twins, case_twins, found));
        let it = found(1, None, " AB-1 ");
        let one = std::slice::from_ref(&it);
        assert_eq!(judge(0, 0, &[]), "nobody");
        assert_eq!(judge(0, 0, one), "it");
        assert_eq!(judge(1, 0, one), SKU_TWICE_IN_SHOP);
        assert_eq!(judge(0, 1, one), SKU_CASE);
        assert_eq!(judge(0, 1, &[]), "nobody", "no match is in doubt");
        assert_eq!(judge(0, 0, &[it.clone(), found(2, None, "AB-1")]), SKU_TWICE_ONLINE);
        assert_eq!(judge(0, 0, &[it.clone(), found(2, None, "ab-1")]), SKU_CASE);
        assert_eq!(judge(0, 0, &[found(2, None, "ab-1")]), SKU_CASE);
        assert_eq!(judge(0, 0, &[found(2, Some(7), "AB-1")]), SKU_OF_VARIATION);
        let tied = Found { tied_to: Some(ProductId(uuid::Uuid::nil())), ..found(2, None, "ab-1") };
        assert_eq!(judge(0, 0, &[tied]), "nobody", "that is somebody else");
    }

    #[test]
    fn a_product_is_that_of_its_variants_only_by_theirs() {
        let skus: BTreeSet<String> = ["T-S", "T-M"].map(str::to_owned).into();
        let judge = |found: &[Found]| code(with_variants(&skus, found));
        assert_eq!(judge(&[]), "nobody");
        assert_eq!(judge(&[found(1, Some(5), "T-S")]), "it", "one of two is enough");
        assert_eq!(judge(&[found(1, None, "T-S")]), VARIANTS_DIFFER);
        assert_eq!(judge(&[found(1, None, "T-S"), found(1, Some(5), "T-M")]), "it");
        assert_eq!(judge(&[found(1, Some(5), "T-S"), found(2, Some(6), "T-M")]), SKU_TWICE_ONLINE);
        assert_eq!(judge(&[found(1, Some(5), "t-s")]), SKU_CASE);
    }

    #[test]
    fn the_evidence_names_what_both_have() {
        let skus: BTreeSet<String> = ["T-S", "T-M"].map(str::to_owned).into();
        let Verdict::It(product, evidence) = with_variants(&skus, &[found(9, Some(5), "T-S")]) else {
            panic!("matched");
        };
        assert_eq!((product, evidence.words().as_str()), (9, "the same SKUs of 1 of 2 variants: T-S"));
    }
}
