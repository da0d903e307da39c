//! The resources as tables: fields in their fixed order, what may be sorted by, what may be loaded.

use super::attributes::ITEM_ATTRIBUTE_SET;
use super::category::CATEGORY;
use super::cell::Kind::{self, Boolean, Decimal, Integer, Text, Time};
use super::image::IMAGE;
use super::matrix::ITEM_MATRIX;
use super::sale;

/// Which resource a table describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Item,
    ItemShop,
    InventoryLog,
    Shop,
    PriceLevel,
    TaxClass,
    Sale,
    Register,
    PaymentType,
    ItemMatrix,
    ItemAttributeSet,
    Category,
    Image,
}

/// How many records a relation leads to; decides its cost (section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    One,
    Many,
}

/// One resource.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) which: Which,
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    /// In the order of the wire.
    pub(super) fields: &'static [(&'static str, Kind)],
    /// Beside the key, which is always sortable: `next` names it.
    pub(super) sortable: &'static [&'static str],
    pub(super) relations: &'static [(&'static str, Reach)],
    /// Whether filters have any effect.
    pub(super) filters: bool,
    /// Whether `archived` selects.
    pub(super) archivable: bool,
    /// Base cost of a POST, PUT or DELETE in tenths of a drip.
    pub(super) write_cost: u32,
}

impl Resource {
    pub(super) fn kind(&self, field: &str) -> Option<Kind> {
        self.fields.iter().find(|(name, _)| *name == field).map(|(_, kind)| *kind)
    }

    pub(super) fn reach(&self, relation: &str) -> Option<Reach> {
        self.relations.iter().find(|(name, _)| *name == relation).map(|(_, reach)| *reach)
    }

    pub(super) fn sorts_by(&self, field: &str) -> bool {
        field == self.key || self.sortable.contains(&field)
    }
}

/// The resource of this name. Names are told apart by case (section 1.1).
pub(super) fn named(name: &str) -> Option<&'static Resource> {
    ALL.into_iter().find(|resource| resource.name == name)
}

/// The resource a relation of another leads to, for filters with a dot (section 1.8).
pub(super) fn behind(relation: &str) -> Option<&'static Resource> {
    match relation {
        "ItemShops" => Some(&ITEM_SHOP),
        "TaxClass" => Some(&TAX_CLASS),
        "Category" | "Parent" => Some(&CATEGORY),
        "ItemAttributeSet" => Some(&ITEM_ATTRIBUTE_SET),
        "Images" => Some(&IMAGE),
        "Item" | "Items" => Some(&ITEM),
        "ItemMatrix" => Some(&ITEM_MATRIX),
        _ => None,
    }
}

const ALL: [&Resource; 13] = [
    &ITEM,
    &ITEM_SHOP,
    &INVENTORY_LOG,
    &SHOP,
    &PRICE_LEVEL,
    &TAX_CLASS,
    &sale::SALE,
    &sale::REGISTER,
    &sale::PAYMENT_TYPE,
    &ITEM_MATRIX,
    &ITEM_ATTRIBUTE_SET,
    &CATEGORY,
    &IMAGE,
];

/// Section 4.1.
pub(super) static ITEM: Resource = Resource {
    which: Which::Item,
    name: "Item",
    key: "itemID",
    fields: &[
        ("itemID", Integer),
        ("systemSku", Integer),
        ("defaultCost", Decimal),
        ("avgCost", Decimal),
        ("discountable", Boolean),
        ("tax", Boolean),
        ("archived", Boolean),
        ("itemType", Text),
        ("serialized", Boolean),
        ("description", Text),
        ("modelYear", Integer),
        ("upc", Text),
        ("ean", Text),
        ("customSku", Text),
        ("manufacturerSku", Text),
        ("createTime", Time),
        ("timeStamp", Time),
        ("publishToEcom", Boolean),
        ("categoryID", Integer),
        ("taxClassID", Integer),
        ("departmentID", Integer),
        ("itemMatrixID", Integer),
        ("manufacturerID", Integer),
        ("seasonID", Integer),
        ("defaultVendorID", Integer),
    ],
    sortable: &["timeStamp", "description"],
    relations: &[
        ("Category", Reach::One),
        ("TaxClass", Reach::One),
        ("ItemAttributes", Reach::One),
        ("ItemAttributes.ItemAttributeSet", Reach::One),
        ("Manufacturer", Reach::One),
        ("Note", Reach::One),
        ("Images", Reach::Many),
        ("ItemShops", Reach::Many),
        ("ItemVendorNums", Reach::Many),
        ("ItemComponents", Reach::Many),
        ("ItemECommerce", Reach::One),
        ("TagRelations", Reach::Many),
        ("TagRelations.Tag", Reach::One),
        ("CustomFieldValues", Reach::Many),
        ("CustomFieldValues.value", Reach::One),
        ("ItemPrices", Reach::Many),
    ],
    filters: true,
    archivable: true,
    write_cost: 10,
};

/// Section 4.3. Rows nested in an item end with `shopID`'s group and leave the newer fields out.
pub(super) static ITEM_SHOP: Resource = Resource {
    which: Which::ItemShop,
    name: "ItemShop",
    key: "itemShopID",
    fields: &[
        ("itemShopID", Integer),
        ("qoh", Integer),
        ("sellable", Integer),
        ("backorder", Integer),
        ("componentQoh", Integer),
        ("componentBackorder", Integer),
        ("reorderPoint", Integer),
        ("reorderLevel", Integer),
        ("onLayaway", Integer),
        ("onSpecialOrder", Integer),
        ("onWorkorder", Integer),
        ("onTransferOut", Integer),
        ("onTransferIn", Integer),
        ("averageCost", Decimal),
        ("totalValueFifo", Decimal),
        ("totalValueAvgCost", Decimal),
        ("totalValueNegativeInventory", Decimal),
        ("timeStamp", Time),
        ("itemID", Integer),
        ("shopID", Integer),
    ],
    sortable: &["timeStamp"],
    relations: &[],
    filters: true,
    archivable: false,
    write_cost: 10,
};

/// Section 4.10. Query only.
pub(super) static INVENTORY_LOG: Resource = Resource {
    which: Which::InventoryLog,
    name: "InventoryLog",
    key: "inventoryLogID",
    fields: &[
        ("inventoryLogID", Integer),
        ("shopID", Integer),
        ("employeeID", Integer),
        ("itemID", Integer),
        ("qohChange", Integer),
        ("costChange", Decimal),
        ("createTime", Time),
        ("automated", Boolean),
        ("causedNegative", Boolean),
        ("reason", Text),
        ("customerID", Integer),
        ("inventoryCountID", Integer),
        ("itemImportID", Integer),
        ("orderID", Integer),
        ("saleID", Integer),
        ("transferID", Integer),
        ("vendorReturnID", Integer),
    ],
    sortable: &["itemID"],
    relations: &[],
    filters: true,
    archivable: false,
    write_cost: 10,
};

/// Section 4.9.
pub(super) static SHOP: Resource = Resource {
    which: Which::Shop,
    name: "Shop",
    key: "shopID",
    fields: &[
        ("shopID", Integer),
        ("name", Text),
        ("serviceRate", Decimal),
        ("timeZone", Text),
        ("taxLabor", Boolean),
        ("labelTitle", Text),
        ("labelMsrp", Boolean),
        ("archived", Boolean),
        ("timeStamp", Time),
        ("companyRegistrationNumber", Text),
        ("vatNumber", Text),
        ("zebraBrowserPrint", Boolean),
        ("contactID", Integer),
        ("taxCategoryID", Integer),
        ("receiptSetupID", Integer),
        ("ccGatewayID", Integer),
        ("gatewayConfigID", Integer),
        ("priceLevelID", Integer),
    ],
    sortable: &[],
    relations: &[
        ("Contact", Reach::One),
        ("ReceiptSetup", Reach::One),
        ("TaxCategory", Reach::One),
        ("ShelfLocations", Reach::Many),
        ("Registers", Reach::Many),
        ("CCGateway", Reach::One),
        ("PriceLevel", Reach::One),
    ],
    filters: true,
    archivable: true,
    write_cost: 10,
};

/// Section 4.2. Filters have no effect on it: the one recording of section 1.8.
pub(super) static PRICE_LEVEL: Resource = Resource {
    which: Which::PriceLevel,
    name: "PriceLevel",
    key: "priceLevelID",
    fields: &[
        ("priceLevelID", Integer),
        ("name", Text),
        ("archived", Boolean),
        ("canBeArchived", Boolean),
        ("type", Text),
        ("Calculation", Text),
    ],
    sortable: &["name"],
    relations: &[],
    filters: false,
    archivable: true,
    write_cost: 10,
};

/// Section 4.10.
pub(super) static TAX_CLASS: Resource = Resource {
    which: Which::TaxClass,
    name: "TaxClass",
    key: "taxClassID",
    fields: &[("taxClassID", Integer), ("name", Text), ("timeStamp", Time)],
    sortable: &[],
    relations: &[],
    filters: true,
    archivable: false,
    write_cost: 10,
};
