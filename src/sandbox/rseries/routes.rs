//! Where a path of the API leads, who may go there, and what is done there.

use axum::http::{Method, StatusCode, request};
use serde_json::{Map, Value};

use super::answer::{Refusal, one};
use super::image::{ITEM_IMAGE, MATRIX_IMAGE, Owner};
use super::item;
use super::paging;
use super::query::Query;
use super::render::Style;
use super::resource::{self, Resource, Which};
use super::state::State;
use super::upload::Upload;
use crate::clock::Instant;

/// Where a path of the API leads. Images hang below an item or a matrix too.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    Session,
    Accounts,
    Account,
    Collection(&'static Resource, Option<Owner>),
    Record(&'static Resource, i64, Option<Owner>),
}

/// Paths are told apart by case (section 1.1).
pub(super) fn target(path: &str, account_id: i64) -> Result<Target, Refusal> {
    let path = path.strip_suffix(".json").unwrap_or(path);
    let id = |text: &str| text.parse::<i64>().map_err(|_| Refusal::no_such_path());
    let mine = |text: &str| {
        // A token covers exactly one account (section 1.1); what another one answers is not known.
        let wanted = id(text)?;
        let other = || Refusal::new(StatusCode::FORBIDDEN, "Forbidden");
        if wanted == account_id { Ok(()) } else { Err(other()) }
    };
    let resource = |name: &str| resource::named(name).ok_or_else(Refusal::no_such_path);
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    match steps.as_slice() {
        ["API", "Session"] => Ok(Target::Session),
        ["API", "V3", "Account"] => Ok(Target::Accounts),
        ["API", "V3", "Account", account] => mine(account).map(|()| Target::Account),
        ["API", "V3", "Account", account, name] => {
            mine(account)?;
            Ok(Target::Collection(resource(name)?, None))
        }
        ["API", "V3", "Account", account, name, record] => {
            mine(account)?;
            Ok(Target::Record(resource(name)?, id(record)?, None))
        }
        ["API", "V3", "Account", account, name @ ("Item" | "ItemMatrix"), owner, "Image", rest @ ..] => {
            mine(account)?;
            let owner = id(owner)?;
            let (resource, owner) = match *name {
                "Item" => (&ITEM_IMAGE, Owner::Item(owner)),
                _ => (&MATRIX_IMAGE, Owner::Matrix(owner)),
            };
            match rest {
                [] => Ok(Target::Collection(resource, Some(owner))),
                [image] => Ok(Target::Record(resource, id(image)?, Some(owner))),
                _ => Err(Refusal::no_such_path()),
            }
        }
        _ => Err(Refusal::no_such_path()),
    }
}

/// Section 2.5.
pub(super) fn check_scope(
    target: Target,
    method: &Method,
    scope: &str,
    state: &State,
) -> Result<(), Refusal> {
    let needed: &[&str] = match target {
        Target::Session | Target::Accounts | Target::Account => return Ok(()),
        Target::Collection(resource, _) | Target::Record(resource, ..) => {
            match (resource.which, method.is_safe()) {
                (Which::Shop | Which::PriceLevel | Which::TaxClass, true) => return Ok(()),
                (Which::InventoryLog, _) if state.habits().log_needs_own_scope => {
                    &["inventory_log", "all_read"]
                }
                // The vendor's pages of the three endpoints.
                (Which::Sale, _) => &["register", "cfd"],
                (Which::Register | Which::PaymentType, _) => {
                    &["register", "cfd", "inventory_base", "reports", "workbench", "customers", "admin"]
                }
                (Which::Category, false) => &["categories"],
                (_, true) => &["inventory", "inventory_read", "all_read"],
                (_, false) => &["inventory"],
            }
        }
    };
    let held = |right: &str| right == "all" || needed.contains(&right);
    if scope.split(' ').filter_map(|scope| scope.strip_prefix("employee:")).any(held) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "The access token does not have the scope for this request."))
}

/// What the methods of a single record are.
fn serves(which: Which, method: &Method) -> bool {
    match which {
        Which::Item | Which::Sale | Which::ItemMatrix | Which::Category | Which::Image => {
            [Method::GET, Method::PUT, Method::DELETE].contains(method)
        }
        Which::ItemShop | Which::PriceLevel | Which::ItemAttributeSet => {
            [Method::GET, Method::PUT].contains(method)
        }
        // The log is query only (section 4.10).
        Which::InventoryLog => false,
        Which::Shop | Which::TaxClass | Which::Register | Which::PaymentType => method == Method::GET,
    }
}

impl State {
    /// Does what a request asks for. `body` is its payload, with the file of an upload beside it.
    pub(super) fn carry_out(
        &mut self,
        now: Instant,
        parts: &request::Parts,
        query: &Query,
        target: Target,
        body: &Upload,
    ) -> Result<Value, Refusal> {
        let method = &parts.method;
        let refuse_method = || Err(Refusal::method(method.as_str()));
        match target {
            Target::Session | Target::Accounts | Target::Account if method != Method::GET => refuse_method(),
            Target::Session => Ok(self.session()),
            Target::Accounts => self.accounts(query),
            Target::Account => Ok(self.account()),
            Target::Collection(resource, within) => {
                within.map_or(Ok(()), |owner| self.owns(owner))?;
                if method == Method::GET {
                    return paging::collection(self, resource, within, parts.uri.path(), query);
                }
                if method != Method::POST {
                    return refuse_method();
                }
                let relations = query.relations(resource)?;
                let data = &body.data;
                let id = match resource.which {
                    Which::Item => self.post_item(now, data)?,
                    Which::Sale => self.post_sale(now, data)?,
                    Which::ItemMatrix => self.post_matrix(now, data)?,
                    Which::ItemAttributeSet => self.post_attribute_set(data)?,
                    Which::Category => self.post_category(now, data)?,
                    Which::Image => self.post_image(now, within, body)?,
                    _ => return refuse_method(),
                };
                Ok(one(resource.name, self.record(resource, id, &relations, Style::Created)))
            }
            Target::Record(resource, id, within) => {
                if !serves(resource.which, method) {
                    return refuse_method();
                }
                within.map_or(Ok(()), |owner| self.owns(owner))?;
                let of_another = within.is_some_and(|owner| !self.images_of(owner).contains(&id));
                if of_another || !self.exists(resource, id) {
                    // What is asked of the query is looked at first, as ever.
                    query.relations(resource)?;
                    return Err(Refusal::no_such(resource.name, id));
                }
                self.one_record(now, method, query, (resource, id), &body.data)
            }
        }
    }

    fn one_record(
        &mut self,
        now: Instant,
        method: &Method,
        query: &Query,
        (resource, id): (&'static Resource, i64),
        body: &Map<String, Value>,
    ) -> Result<Value, Refusal> {
        let relations = query.relations(resource)?;
        if method == Method::GET {
            return Ok(one(resource.name, self.record(resource, id, &relations, Style::Single)));
        }
        if method == Method::DELETE {
            // What is deleted for good answers with its last state.
            let last = self.record(resource, id, &relations, Style::Deleted);
            match resource.which {
                Which::Category => self.delete_category(now, id)?,
                Which::Image => self.delete_image(now, id)?,
                Which::Sale => self.delete_sale(now, id)?,
                Which::ItemMatrix => self.archive_matrix(now, id)?,
                _ => self.archive_item(now, id)?,
            }
            let stays = self.exists(resource, id);
            let record = if stays { self.record(resource, id, &relations, Style::Deleted) } else { last };
            return Ok(one(resource.name, record));
        }
        match resource.which {
            Which::ItemShop => self.put_item_shop(now, id, body)?,
            Which::PriceLevel => self.put_price_level(id, body)?,
            Which::Sale => self.put_sale(now, id, body)?,
            Which::ItemMatrix => self.put_matrix(now, id, body)?,
            Which::ItemAttributeSet => self.put_attribute_set(id, body)?,
            Which::Category => self.put_category(now, id, body)?,
            Which::Image => self.put_image(now, id, body)?,
            _ => self.put_item(now, id, body)?,
        }
        let answer = one(resource.name, self.record(resource, id, &relations, Style::Written));
        if resource.which == Which::Category && self.habits().renamed_categories_move {
            // The recorded answer to a renaming does not show the new place yet (section 4.5).
            self.number_categories(now);
        }
        Ok(answer)
    }

    /// Only reorder values are taken (section 4.3).
    fn put_item_shop(&mut self, now: Instant, id: i64, body: &Map<String, Value>) -> Result<(), Refusal> {
        let number = |name: &str| body.get(name).map(|value| item::integer(name, value)).transpose();
        let (point, level) = (number("reorderPoint")?, number("reorderLevel")?);
        self.set_reorder(now, id, point, level);
        Ok(())
    }

    /// The name of every level can be changed, `Online`'s too (section 4.2).
    fn put_price_level(&mut self, id: i64, body: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(name) = body.get("name") else { return Ok(()) };
        let name = item::text("name", name, self.habits())?;
        if name.is_empty() {
            return Err(Refusal::bad("name cannot be blank."));
        }
        if let Some(level) = self.price_levels.get_mut(&id) {
            level.name = name;
        }
        Ok(())
    }
}
