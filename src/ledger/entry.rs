//! One entry of the ledger.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::catalog::{Facts, Field, Looks, Side, Value};
use crate::clock::Instant;
use crate::ids::{ConnectionId, EntryId, ProductId};

/// An enum with a fixed text for each variant, as it stands in the database and the REST interface.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// The word in the database and the REST interface.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The reverse of `as_str`.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(
    /// What an entry tells.
    Kind {
        /// A field was replaced on one side.
        Write = "write",
        /// A product was created on one side.
        Create = "create",
        /// A record was removed on one side, with everything it had in `before`.
        Remove = "remove",
        /// Pieces were added to, or taken from, the stock of one side.
        Stock = "stock",
        /// News was taken without a call: both sides agreed, or the field's way does not carry it.
        Verdict = "verdict",
        /// Both sides changed a field; names the losing value.
        Conflict = "conflict",
        /// A notice that told of our own write.
        Echo = "echo",
        /// A product of one side was tied to one of the other, or the tie changed.
        Link = "link",
        /// Something stays as it is, with the reason.
        Hold = "hold",
        /// An operator's act.
        Operator = "operator",
    }
);

words!(
    /// Where a change came from.
    Origin {
        /// The shop.
        RSeries = "r_series",
        /// The web.
        ESeries = "e_series",
        /// A person, through Concord.
        Operator = "operator",
        /// Concord's own round: a first look, or a look that no notice asked for.
        Sweep = "sweep",
        /// Concord's own write coming back.
        Echo = "echo",
    }
);

words!(
    /// What became of a write.
    Outcome {
        /// It took effect.
        Landed = "landed",
        /// It took no effect.
        NotLanded = "not_landed",
        /// Somebody else wrote after it, or instead of it: its own effect can no longer be seen.
        Superseded = "superseded",
        /// The platform would not do it.
        Refused = "refused",
    }
);

impl From<Side> for Origin {
    fn from(side: Side) -> Self {
        match side {
            Side::RSeries => Self::RSeries,
            Side::ESeries => Self::ESeries,
        }
    }
}

/// What recovery needs to judge a write whose outcome is unclear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum Detail {
    /// A creation: what it was made from and with.
    Creation(Creation),
    /// A creation on R-Series: what it was made from, and how it is found again.
    CreationOnR(CreationOnR),
    /// A product or a variation removed on E-Series, because the shop has it no more.
    Removal {
        /// The product, or the one the variation belongs to.
        product_id: i64,
        /// The variation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        combination_id: Option<i64>,
    },
    /// A category created, written or removed on E-Series.
    Category {
        /// R-Series `categoryID`.
        category_id: i64,
        /// Names from the root down.
        path: Vec<String>,
        /// E-Series category; none before it is created.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        online_id: Option<i64>,
        /// How it is to stand there; none where it is removed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wanted: Option<Looks>,
    },
    /// Pieces added on E-Series under the entry's id as the key.
    StockOnE {
        /// Signed pieces.
        delta: i64,
        /// An operator wants them: they did not happen on R-Series, and are news there.
        #[serde(default, skip_serializing_if = "is_false")]
        news: bool,
    },
    /// An absolute write of `qoh` on R-Series.
    StockOnR {
        /// Signed pieces that happened on E-Series.
        delta: i64,
        /// Signed pieces that an earlier write of ours had trampled.
        owed: i64,
        /// The shop.
        shop_id: i64,
        /// Pieces in that shop when it was looked at.
        seen: i64,
        /// Pieces written.
        written: i64,
        /// Newest id of the inventory log at that look.
        log_head: i64,
        /// An operator wants them: they did not happen on E-Series, and are news there.
        #[serde(default, skip_serializing_if = "is_false")]
        news: bool,
    },
    /// Pieces sold on the web, booked on R-Series as a sale whose reference number is the entry's id.
    SaleOnR {
        /// Signed pieces that happened on E-Series: below zero.
        delta: i64,
        /// The shop.
        shop_id: i64,
        /// How it is paid.
        payment_type_id: i64,
        /// `saleID`, once it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sale_id: Option<i64>,
    },
    /// Availability written on E-Series together with that of other products: one batch under the entry's call id as the
    /// key.
    Batched {
        /// The product.
        product_id: i64,
    },
    /// A picture on E-Series: uploaded, taken down, or all of a product put in order.
    Picture {
        /// The product, or the one the variation belongs to.
        product_id: i64,
        /// The variation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        combination_id: Option<i64>,
        /// What is done.
        act: PictureAct,
    },
}

/// What is done to a picture on E-Series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PictureAct {
    /// Uploaded.
    Hang {
        /// R-Series `imageID`; 0 when it existed online alone and is put back.
        r_image_id: i64,
        /// R-Series `publicID`.
        public_id: String,
        /// The `externalId` by which it is known again.
        external_id: String,
        /// Where the originals were that were shown before.
        shown: Vec<String>,
        /// E-Series was to read it later.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        promised: bool,
    },
    /// Put in this order, each by the address of its original.
    Arrange(Vec<String>),
    /// Taken down: the one whose original is here.
    Remove(String),
}

/// A creation on E-Series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// R-Series when its facts were taken.
    pub from: Facts,
    /// The shops over which the stock in them was summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shops: Option<Vec<i64>>,
    /// What was sent.
    pub sent: Facts,
    /// The marker in `externalReferenceId`.
    pub marker: String,
    /// Variations that were sent with the product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantCreation>,
    /// What came back of a record that was removed once.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub base: Map<String, Json>,
    /// Why the store would not have that back, if it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_restored: Option<String>,
}

impl Creation {
    /// Does anything of a record that was removed come back with it?
    #[must_use]
    pub fn restores(&self) -> bool {
        !self.base.is_empty() || self.variants.iter().any(|variant| !variant.base.is_empty())
    }
}

/// A creation on R-Series. It takes no marker that it would keep unique, but ids only grow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreationOnR {
    /// E-Series when its facts were taken.
    pub from: Facts,
    /// What was sent.
    pub sent: Facts,
    /// The newest id of that kind right before: what was created has one above it.
    pub above: i64,
    /// `description` as it was sent.
    pub description: String,
    /// `customSku` as it was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub custom_sku: String,
    /// `manufacturerSku` as it was sent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manufacturer_sku: String,
    /// The attributes a variant was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<[String; 3]>,
    /// `itemMatrixID` a variant was created in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix_id: Option<i64>,
    /// The variations of the product, of which the items of the matrix are to be made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variations: Vec<i64>,
}

/// A variation that is created along with its product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantCreation {
    /// R-Series `itemID`.
    pub item_id: i64,
    /// The item when its facts were taken.
    pub from: Facts,
    /// What was sent.
    pub sent: Facts,
    /// The marker in `externalReferenceId`.
    pub marker: String,
    /// What came back of a record that was removed once.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub base: Map<String, Json>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose.
    pub connection_id: ConnectionId,
    /// Id.
    pub entry_id: EntryId,
    /// Entries with the same one travelled in one call.
    pub call_id: Option<Uuid>,
    /// When it was written down; of a write, before the call.
    pub at: Instant,
    /// What it tells.
    pub kind: Kind,
    /// Where the change came from.
    pub origin: Origin,
    /// The side that was written, or that told.
    pub side: Option<Side>,
    /// The product.
    pub product_id: Option<ProductId>,
    /// The field; none for whole products.
    pub field: Option<Field>,
    /// What the side showed before.
    pub before: Option<serde_json::Value>,
    /// What it was to show.
    pub after: Option<serde_json::Value>,
    /// The value on the other side that was carried.
    pub source: Option<serde_json::Value>,
    /// The notice, sweep or entry that led to it.
    pub cause: Option<String>,
    /// For recovery, or for reading.
    pub detail: Option<serde_json::Value>,
    /// What became of it; none while it is open.
    pub result: Option<Outcome>,
    /// When that became known.
    pub closed_at: Option<Instant>,
    /// The operator's entry that asked for its undoing.
    pub undone_by: Option<EntryId>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Entry {
    /// An entry that tells something and needs no result.
    #[must_use]
    pub fn told(
        connection_id: ConnectionId,
        entry_id: EntryId,
        at: Instant,
        kind: Kind,
        origin: Origin,
        product_id: ProductId,
    ) -> Self {
        Self {
            connection_id,
            entry_id,
            call_id: None,
            at,
            kind,
            origin,
            side: None,
            product_id: Some(product_id),
            field: None,
            before: None,
            after: None,
            source: None,
            cause: None,
            detail: None,
            result: Some(Outcome::Landed),
            closed_at: Some(at),
            undone_by: None,
        }
    }

    /// The same about no product in particular.
    #[must_use]
    pub fn about_all(
        connection_id: ConnectionId,
        entry_id: EntryId,
        at: Instant,
        kind: Kind,
        origin: Origin,
    ) -> Self {
        let nobody = ProductId(Uuid::nil());
        Self { product_id: None, ..Self::told(connection_id, entry_id, at, kind, origin, nobody) }
    }

    /// What recovery needs, if this entry has it and it is readable.
    #[must_use]
    pub fn recovery(&self) -> Option<Detail> {
        serde_json::from_value(self.detail.clone()?).ok()
    }

    /// `before`, `after` and, of a value that was carried, `source` as values of the entry's field.
    #[must_use]
    pub fn values(&self) -> Option<(Value, Value, Option<Value>)> {
        let field = self.field?;
        let read = |json: &Option<serde_json::Value>| Value::from_json(field, json.as_ref()?).ok();
        Some((read(&self.before)?, read(&self.after)?, read(&self.source)))
    }

    /// Signed pieces that a stock write was to add by itself, without what it put back.
    #[must_use]
    pub fn pieces(&self) -> Option<i64> {
        match self.recovery()? {
            Detail::StockOnE { delta, .. }
            | Detail::StockOnR { delta, .. }
            | Detail::SaleOnR { delta, .. } => Some(delta),
            Detail::Creation(_)
            | Detail::CreationOnR(_)
            | Detail::Removal { .. }
            | Detail::Category { .. }
            | Detail::Batched { .. }
            | Detail::Picture { .. } => None,
        }
    }
}
