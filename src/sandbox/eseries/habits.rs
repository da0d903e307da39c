//! What the platform does where its documentation is silent or two-faced, as switches.
//!
//! The defaults are the choices of the reference's section 14; where nothing is known they take the case that
//! is harder on a client.

use serde::{Deserialize, Serialize};

/// Switchable behaviour of the sandboxed E-Series. Sections are those of the E-Series reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// The shortest time until the search index has seen a write (section 3).
    pub index_lag_min_seconds: u32,
    /// The longest time until the search index has seen a write.
    pub index_lag_max_seconds: u32,
    /// A PUT that changes nothing counts as an update, moves `updated` and fires a webhook (section 12.3).
    pub noop_puts_fire: bool,
    /// A change of stock moves `updated` (section 4.5).
    pub stock_moves_updated: bool,
    /// DELETE of an unknown id answers 404; otherwise 200 with `deleteCount` 0 (section 4.6).
    pub delete_unknown_is_404: bool,
    /// The store's toggle `ALLOW_EMPTY_AND_NON_UNIQUE_SKU` is on (section 5.5).
    pub sku_may_repeat: bool,
    /// Outer spaces of SKUs are cut off on write (section 5.5).
    pub trim_skus: bool,
    /// Outer spaces of names are cut off on write (section 13, trap 14).
    pub trim_names: bool,
    /// Runs of spaces within names become one (section 13, trap 14).
    pub collapse_spaces: bool,
    /// `&`, `<`, `>` and quotes within names become entities, unless they are already (section 13, trap 12).
    pub escape_names: bool,
    /// Control characters are left out of names (unknown).
    pub drop_control_characters: bool,
    /// Accents and their letters become one (section 13, trap 14).
    pub compose_accents: bool,
    /// Names are cut off after so many characters (section 5.5: the limit is unknown).
    pub cut_names_at: Option<usize>,
    /// Prices are rounded on write (section 13, trap 13).
    pub round_prices: bool,
    /// To so many decimals: those of the store's currency.
    pub price_decimals: u32,
    /// An import holds the catalogue: every write to it answers 449 (section 2.2).
    pub import_running: bool,
    /// The store is suspended: every call answers 402 (section 2.2).
    pub suspended: bool,
    /// The plan has the API; otherwise every call answers 402 (section 11).
    pub plan_has_api: bool,
    /// A store with more products than its plan allows refuses updates too (section 2.2).
    pub limit_blocks_updates: bool,
    /// A batch is executed when its ticket is first polled (section 14).
    pub batch_runs_at_first_poll: bool,
    /// A batch is executed by itself after this time, polled or not.
    pub batch_delay_seconds: u32,
    /// How many requests of a batch one poll executes; fewer than it holds makes `IN_PROGRESS` visible.
    pub batch_requests_per_poll: usize,
    /// How long the ticket of a finished batch is known (unknown; section 2.4).
    pub batch_ticket_seconds: u32,
    /// How long a token stays blocked that went on calling after 429 (section 2.3, no length is given).
    pub long_block_seconds: u32,
    /// What a refusal's body looks like (section 2.1).
    pub error_bodies: ErrorBodies,
    /// The store's languages, its default first (section 3).
    pub languages: Vec<String>,
    /// Variations can be built from `SWATCHES` (newer stores; section 4.3).
    pub swatches_vary: bool,
    /// Prices with modifiers are reckoned in doubles and show their noise (section 13, trap 13).
    pub derived_prices_have_noise: bool,
    /// A PUT of `options` that drops what a variation uses deletes that variation; otherwise it is refused with 409
    /// (sections 5.6 and 14).
    pub unfit_variations_are_deleted: bool,
    /// `saveCombinations` on PUT leaves variations that are not in the list; otherwise they go (section 5.3).
    pub saved_combinations_merge: bool,
    /// A PUT of a variation adds options and values that the product lacks, as a create does; otherwise 400
    /// (unknown; section 5.3 speaks of creating only).
    pub variation_updates_add_options: bool,
    /// A variation that is given a SKU but no quantity begins with the product's stock; otherwise it is unlimited
    /// (unknown).
    pub given_sku_copies_stock: bool,
    /// The plan has variations; otherwise creating one answers 402 (section 5.3).
    pub plan_has_variations: bool,
    /// Each variation counts toward the limit of products, as it does on the POS side; otherwise products alone do
    /// (sections 5.3 and 11).
    pub variations_count: bool,
    /// How many categories the plan allows; without a number there is no limit (section 2.2).
    pub category_limit: Option<usize>,
    /// The longest name of a category, in characters; beyond it 409 (the limit is not given; section 2.2).
    pub longest_category_name: usize,
    /// The longest description of a category, in characters.
    pub longest_category_description: usize,
    /// The children of a deleted category go with it; otherwise they move up to its parent (section 9.3).
    pub category_deletes_cascade: bool,
    /// Writing `externalReferenceId` makes a category count as one from the POS, whose products are fixed
    /// (unknown; sections 9.1 and 9.3).
    pub category_reference_makes_it_external: bool,
    /// An update of a category is answered as done and changes nothing (no such case is known).
    pub category_updates_are_lost: bool,
    /// How old the counts of products of a category may be (section 9.1: "lag by minutes").
    pub category_counts_lag_seconds: u32,
    /// A product's write that moves it between categories fires `category.updated` for each of them, too
    /// (section 12.3).
    pub assignments_fire_both: bool,
    /// The largest picture (section 6.2).
    pub largest_image_bytes: usize,
    /// A picture that is too large answers 413, as the older docs have it; otherwise 400.
    pub large_images_answer_413: bool,
    /// WEBP counts as an image (unknown; section 6.2).
    pub webp_is_an_image: bool,
    /// The most pictures in a gallery; without a number there is no limit (none is published).
    pub most_gallery_images: Option<usize>,
    /// The first gallery picture of a product without any becomes its main one, with id 0 (section 6.2).
    pub first_gallery_image_becomes_main: bool,
    /// When the main picture is deleted, the first of the gallery takes its place (unknown).
    pub gallery_fills_empty_main: bool,
    /// What the hosts of its pictures answer in place of a picture; without a number they give it out.
    pub pictures_answer: Option<u16>,
    /// `externalUrl` must be HTTPS (section 6.2); to be switched off where pictures come from this machine.
    pub external_urls_need_https: bool,
    /// Pictures given by an address are fetched; otherwise they are taken for granted, without a hash.
    pub external_urls_are_fetched: bool,
    /// How long after an asynchronous call its picture is there, with its copies (inferred; section 6.2); without a
    /// number it never comes.
    pub promised_pictures_take_seconds: Option<u32>,
    /// A picture of an asynchronous call goes on showing the given URL when it has been read (unknown).
    pub promised_pictures_keep_their_url: bool,
    /// `externalId` is shown in `media` (section 6.3); off: it is taken and never shown.
    pub external_ids_are_shown: bool,
    /// The merchant says no when asked to let the app in (section 1.3).
    pub merchant_refuses: bool,
    /// `state` comes back from the authorisation page (undocumented; section 1.3).
    pub echo_oauth_state: bool,
}

/// The forms of a refusal's body that have been seen (section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorBodies {
    /// JSON with message and code.
    #[default]
    Full,
    /// JSON with a message only.
    MessageOnly,
    /// Nothing.
    Empty,
    /// A page of HTML.
    Html,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            index_lag_min_seconds: 0,
            index_lag_max_seconds: 5,
            noop_puts_fire: true,
            stock_moves_updated: true,
            delete_unknown_is_404: true,
            sku_may_repeat: false,
            trim_skus: true,
            trim_names: false,
            collapse_spaces: false,
            escape_names: false,
            drop_control_characters: false,
            compose_accents: false,
            cut_names_at: None,
            round_prices: false,
            price_decimals: 2,
            import_running: false,
            suspended: false,
            plan_has_api: true,
            limit_blocks_updates: true,
            batch_runs_at_first_poll: true,
            batch_delay_seconds: 60,
            batch_requests_per_poll: 500,
            batch_ticket_seconds: 3600,
            long_block_seconds: 600,
            error_bodies: ErrorBodies::Full,
            languages: vec!["en".to_owned()],
            swatches_vary: true,
            derived_prices_have_noise: true,
            unfit_variations_are_deleted: false,
            saved_combinations_merge: false,
            variation_updates_add_options: false,
            given_sku_copies_stock: false,
            plan_has_variations: true,
            variations_count: false,
            category_limit: None,
            longest_category_name: 255,
            longest_category_description: 65_535,
            category_deletes_cascade: true,
            category_reference_makes_it_external: false,
            category_updates_are_lost: false,
            category_counts_lag_seconds: 180,
            assignments_fire_both: true,
            largest_image_bytes: 20 << 20,
            large_images_answer_413: false,
            webp_is_an_image: false,
            most_gallery_images: None,
            first_gallery_image_becomes_main: true,
            gallery_fills_empty_main: false,
            pictures_answer: None,
            external_urls_need_https: true,
            external_urls_are_fetched: true,
            promised_pictures_take_seconds: Some(5),
            promised_pictures_keep_their_url: true,
            external_ids_are_shown: true,
            merchant_refuses: false,
            echo_oauth_state: false,
        }
    }
}
