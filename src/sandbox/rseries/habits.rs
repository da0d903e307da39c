//! Habits of the platform that the reference leaves open, as switches.
//!
//! Every default is either what the reference states or, where it says inferred or unknown, the reading
//! that is harder on a client.

use serde::{Deserialize, Serialize};

/// What happens to a text of more than 255 characters (section 4.1 assumes the limit, nothing documents it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongText {
    /// Cut off without a word, as a database in lenient mode does.
    Cut,
    /// Answered with 400.
    Refuse,
    /// Stored as it is.
    Keep,
}

/// What a collection without rows looks like (section 1.5, item 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmptyCollection {
    /// `@attributes` alone, without the resource's key.
    AttributesOnly,
    /// `{}`, as one integrator saw it.
    EmptyObject,
    /// The resource's key with the empty string.
    EmptyString,
}

/// How the tags of an item or a matrix are printed (section 4.8: conflicting evidence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagForm {
    /// `"Tags":{"@attributes":{"count":"1"},"tag":"gift"}`, as two integrators read it.
    Tags,
    /// `"TagRelations":{"TagRelation":{"tagID":"4","Tag":{…}}}`, as the relations are called.
    TagRelations,
}

/// The switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// Leading and trailing blanks of names and SKUs are cut on write.
    pub trim_text: bool,
    /// Runs of blanks within names and SKUs become one on write (unknown).
    pub collapse_spaces: bool,
    /// Control characters are left out of names and SKUs on write, which XML could not hold (unknown).
    pub drop_control_characters: bool,
    /// What happens to texts of more than 255 characters.
    pub long_text: LongText,
    /// Amounts of prices are rounded to this many decimals on write.
    pub price_decimals: Option<u32>,
    /// `publishToEcom` of an item that is posted without it (section 4.1: samples say true, one account false).
    pub publish_by_default: bool,
    /// `publishToEcom` is printed at all: it is absent on accounts without eCom (section 6).
    pub show_publish_to_ecom: bool,
    /// Items get a stock row only for the shops that have had stock (section 4.3: a row may be missing).
    pub shop_rows_only_where_stocked: bool,
    /// A write of the `qoh` that is there already leaves an `InventoryLog` row with a `qohChange` of 0.
    pub log_zero_changes: bool,
    /// `qoh` written through PUT Item moves `Item.timeStamp` (section 4.3 leaves it open).
    pub stock_write_moves_item_time_stamp: bool,
    /// A price write moves `Item.timeStamp` (section 6: inferred).
    pub price_write_moves_item_time_stamp: bool,
    /// A PUT whose values are all there already moves `Item.timeStamp`.
    pub unchanged_write_moves_item_time_stamp: bool,
    /// `qoh` of an archived item may be written. Off: answered with 400.
    pub archived_items_take_stock: bool,
    /// A PUT with `Prices` sets the levels it does not name to 0 (section 4.2: inferred that it does not).
    pub prices_replace_all: bool,
    /// UPC and EAN must be 11 to 14 digits and nobody else's (section 4.1: reported).
    pub check_barcodes: bool,
    /// Filters on fields that do not exist have no effect (section 1.8: one recording). Off: 400.
    pub ignore_unknown_filters: bool,
    /// Equality, `~` and sorting do not tell upper from lower case (section 1.8: inferred).
    pub fold_case: bool,
    /// `~` without a wildcard means "starts with" (section 1.8: one example). Off: the whole text.
    pub like_without_wildcard_is_prefix: bool,
    /// The V2 parameters `offset`, `orderby` and `orderby_desc` are answered with 400. Off: no effect.
    pub refuse_removed_parameters: bool,
    /// What a collection without rows looks like.
    pub empty_collection: EmptyCollection,
    /// A last page that is full still names a next one, which is empty.
    pub next_after_full_last_page: bool,
    /// `next` and `previous` leave `load_relations` and filters out (section 1.10, report a).
    pub next_forgets_parameters: bool,
    /// A page after the first begins with the last row of the page before it (section 6.2, item 9).
    pub repeat_boundary_row: bool,
    /// Lists of one are arrays too (section 6.2, item 9), against section 1.5.
    pub always_arrays: bool,
    /// Characters outside ASCII are written as `\uXXXX` (section 1.3: inferred).
    pub escape_non_ascii: bool,
    /// Bodies of errors are labelled `text/html` (section 1.2, seen in 2016).
    pub errors_labelled_html: bool,
    /// Every `ItemPrice` of a payload costs half a drip as `ItemShop` rows do (section 3.3: unknown).
    pub price_rows_cost: bool,
    /// `InventoryLog` needs a scope of its own; `employee:inventory` is not enough (section 4.10).
    pub log_needs_own_scope: bool,
    /// `referenceNumber` selects sales (section 1.8 leaves open which filters have an effect).
    pub sale_reference_filter: bool,
    /// A sale may be completed with less paid than its total. Off: answered with 400 (the vendor's tutorial on
    /// sales: it must be balanced).
    pub unpaid_sales_complete: bool,
    /// What is refused by the switch before is answered with 200 instead, and the sale stays open.
    pub refused_completion_leaves_open: bool,
    /// A completed sale may be completed once more without any effect. Off: answered with 400.
    pub completed_sales_take_writes: bool,
    /// A register that is closed takes sales. Off: answered with 400.
    pub closed_registers_take_sales: bool,
    /// Tax on top of prices, in percent: the total of a sale is not known to whoever writes it.
    pub tax_percent: u32,
    /// `categoryID` and `itemMatrixID` written through the API must be those of records that are there. Off: any
    /// number is kept. Unknown.
    pub check_references: bool,
    /// Attribute values written through PUT Item, or renamed by the merchant, move `Item.timeStamp` (section 4.1:
    /// related records do not; whether attributes are such is not said).
    pub attribute_write_moves_item_time_stamp: bool,
    /// Tags written move the `timeStamp` of their item or matrix (section 6: inferred that they do not).
    pub tag_write_moves_time_stamp: bool,
    /// An image added, edited or removed moves the `timeStamp` of its item or matrix (section 4.6: inferred that it
    /// does not).
    pub image_write_moves_owners_time_stamp: bool,
    /// A variant that comes, goes or gets other values moves `ItemMatrix.timeStamp`. Unknown; items are related
    /// records.
    pub variants_move_matrix_time_stamp: bool,
    /// Two variants of a matrix may not have the same attributes; such a write is answered with 400 (section 4.4:
    /// unknown).
    pub unique_attributes: bool,
    /// `attributeNValues` keep a value that no variant has any more (section 4.4 calls them a union of what variants
    /// have and what was typed in, and says that new values are appended).
    pub matrix_keeps_unused_values: bool,
    /// `attributeNValues` can be written (section 4.4: "R/W?"). Off: passed over.
    pub matrix_values_writable: bool,
    /// Answers to POST and PUT of a matrix show `attributeNValues` (section 4.4: samples differ).
    pub matrix_writes_show_values: bool,
    /// `Items` of a matrix hold archived items too. Unknown.
    pub matrix_items_show_archived: bool,
    /// `Items` of a matrix carry their `ItemAttributes`. Unknown: no relation of that name can be asked for.
    pub matrix_items_show_attributes: bool,
    /// PUT ItemMatrix hands shared values on to the items, as the screen does (section 4.4: unknown).
    pub matrix_put_propagates: bool,
    /// A matrix that is unarchived brings its items back (section 4.4: unknown).
    pub unarchived_matrix_brings_items_back: bool,
    /// Categories deeper than this many levels are answered with 400 (section 4.5: a help page).
    pub most_category_levels: Option<u32>,
    /// A category that is renamed takes its new place among its siblings, after the answer (section 4.5: not
    /// visible in the recorded answer).
    pub renamed_categories_move: bool,
    /// Items and matrices of a deleted category show 0 (section 4.5: inferred). Off: they keep its number.
    pub deleted_category_clears_items: bool,
    /// Items and matrices that lose their category so are stamped. Unknown.
    pub deleted_category_moves_time_stamp: bool,
    /// Images nested in an item or a matrix stand in the order of `ordering`. Off: of `imageID` (section 4.6 leaves
    /// the sorting to the client).
    pub nested_images_sorted: bool,
    /// `timeStamp` selects on the plain `Image` endpoint (section 4.6: unknown). Off: no effect.
    pub image_time_stamp_filter: bool,
    /// Images beyond this many of one item or matrix are answered with 400 (section 4.6: a help page).
    pub most_images: Option<usize>,
    /// Images of more bytes than this are answered with 400 (section 4.6: reported).
    pub largest_image: Option<usize>,
    /// An upload must be a JPG or a PNG by its first bytes (section 4.6: a help page). Off: anything is taken.
    pub check_image_type: bool,
    /// The parts of an upload may come in any order (section 4.6 names one).
    pub image_parts_in_any_order: bool,
    /// How tags are printed.
    pub tag_form: TagForm,
    /// The losing item of a merge stays as an archived record. Off: its ID is gone (section 4.1: either is reported).
    pub merged_items_stay_archived: bool,
    /// Seconds until a row of the `InventoryLog` shows (section 4.10 does not promise that it does at once).
    pub log_lag_seconds: u32,
    /// A used refresh token dies at once, as it did before 2026-01-15 (section 2.3).
    pub refresh_token_dies_at_once: bool,
    /// The first use of an access token also ends its twins, born of the same refresh token.
    pub twin_tokens_die: bool,
    /// Refreshes allowed within a minute (section 2.3).
    pub refreshes_per_minute: Option<u32>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            trim_text: false,
            collapse_spaces: false,
            drop_control_characters: false,
            long_text: LongText::Cut,
            price_decimals: None,
            publish_by_default: true,
            show_publish_to_ecom: true,
            shop_rows_only_where_stocked: false,
            log_zero_changes: false,
            stock_write_moves_item_time_stamp: false,
            price_write_moves_item_time_stamp: true,
            unchanged_write_moves_item_time_stamp: true,
            archived_items_take_stock: false,
            prices_replace_all: false,
            check_barcodes: true,
            ignore_unknown_filters: true,
            fold_case: true,
            like_without_wildcard_is_prefix: false,
            refuse_removed_parameters: true,
            empty_collection: EmptyCollection::AttributesOnly,
            next_after_full_last_page: false,
            next_forgets_parameters: false,
            repeat_boundary_row: false,
            always_arrays: false,
            escape_non_ascii: true,
            errors_labelled_html: true,
            price_rows_cost: true,
            log_needs_own_scope: true,
            sale_reference_filter: false,
            unpaid_sales_complete: false,
            refused_completion_leaves_open: false,
            completed_sales_take_writes: false,
            closed_registers_take_sales: false,
            tax_percent: 19,
            check_references: true,
            attribute_write_moves_item_time_stamp: false,
            tag_write_moves_time_stamp: false,
            image_write_moves_owners_time_stamp: false,
            variants_move_matrix_time_stamp: false,
            unique_attributes: false,
            matrix_keeps_unused_values: true,
            matrix_values_writable: false,
            matrix_writes_show_values: false,
            matrix_items_show_archived: true,
            matrix_items_show_attributes: false,
            matrix_put_propagates: false,
            unarchived_matrix_brings_items_back: false,
            most_category_levels: Some(10),
            renamed_categories_move: true,
            deleted_category_clears_items: true,
            deleted_category_moves_time_stamp: false,
            nested_images_sorted: false,
            image_time_stamp_filter: false,
            most_images: Some(12),
            largest_image: Some(8 * 1024 * 1024),
            check_image_type: true,
            image_parts_in_any_order: false,
            tag_form: TagForm::Tags,
            merged_items_stay_archived: false,
            log_lag_seconds: 0,
            refresh_token_dies_at_once: false,
            twin_tokens_die: true,
            refreshes_per_minute: Some(5),
        }
    }
}
