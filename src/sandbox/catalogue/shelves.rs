//! What stands on the shelves of the made-up shop: words for single things, and what comes in sizes and colours.

/// One shelf of the shop.
pub(super) struct Shelf {
    /// The department's letters in the SKU.
    pub(super) letters: &'static str,
    /// Words that go before the thing.
    pub(super) styles: &'static [&'static str],
    /// The things: name, letters in the SKU, price from and to in whole units.
    pub(super) things: &'static [(&'static str, &'static str, i64, i64)],
    /// Words that go after the thing.
    pub(super) details: &'static [&'static str],
    /// The department, as the shop's categories call it.
    pub(super) name: &'static str,
}

pub(super) const SHELVES: &[Shelf] = &[
    Shelf {
        letters: "KI",
        name: "Kitchen & Table",
        styles: &[
            "Stoneware",
            "Porcelain",
            "Enamel",
            "Cast-iron",
            "Olive wood",
            "Copper",
            "Glazed",
            "Hand-thrown",
            "Everyday",
            "Bistro",
            "Nordic",
            "Crème",
            "Emaille",
        ],
        things: &[
            ("mug", "MUG", 9, 24),
            ("espresso cup", "ESP", 7, 16),
            ("salad bowl", "BWL", 18, 49),
            ("teapot", "TEA", 29, 79),
            ("milk jug", "JUG", 12, 28),
            ("frying pan 28 cm", "PAN", 39, 129),
            ("stockpot", "POT", 59, 189),
            ("chopping board", "BRD", 19, 69),
            ("baking dish", "DSH", 24, 58),
            ("Käsemesser", "KNF", 22, 95),
            ("Frühstücksteller", "PLT", 11, 27),
            ("pepper mill", "MIL", 25, 65),
            ("tea towel", "TWL", 8, 19),
        ],
        details: &[
            "speckled",
            "sea blue",
            "0.4 l",
            "0,25 l",
            "12\"",
            "set of 4",
            "2 Stück",
            "matt black",
            "large",
            "small",
            "with lid",
            "limited edition",
        ],
    },
    Shelf {
        letters: "OU",
        name: "Outdoor",
        styles: &[
            "Trail",
            "Alpine",
            "Featherlight",
            "Waterproof",
            "Merino",
            "Recycled",
            "Expedition",
            "Kids'",
            "Foldable",
            "Titanium",
            "Wald & Wiese",
            "Nachtfalter",
        ],
        things: &[
            ("sleeping bag", "SLP", 79, 349),
            ("head torch", "TRC", 19, 89),
            ("camping stove", "STV", 29, 139),
            ("water bottle", "BTL", 14, 39),
            ("rucksack 24 L", "RUC", 49, 169),
            ("rain jacket", "JKT", 69, 279),
            ("hiking socks", "SCK", 12, 29),
            ("Picknickdecke", "BLK", 24, 59),
            ("two-person tent", "TNT", 149, 599),
            ("pocket knife", "KNI", 19, 119),
            ("guy rope, per metre", "ROP", 1, 3),
        ],
        details: &[
            "size M",
            "size L",
            "size XL",
            "Größe 42/44",
            "moss green",
            "signal orange",
            "1 L",
            "400 lm",
            "−5 °C",
            "black/grey",
            "2nd generation",
            "left-handed",
        ],
    },
    Shelf {
        letters: "GI",
        name: "Gifts / Geschenke",
        styles: &[
            "Hand-poured",
            "Letterpress",
            "Vintage",
            "Little",
            "Botanical",
            "Winter",
            "Lucky",
            "Grandma's",
            "Fräulein Müller's",
            "Zoë & Co.",
            "Paper",
        ],
        things: &[
            ("candle", "CAN", 9, 39),
            ("greeting card", "CRD", 2, 5),
            ("notebook A5", "NTB", 8, 24),
            ("soap bar", "SOP", 5, 12),
            ("picture frame 10 × 15", "FRM", 12, 34),
            ("jigsaw, 1,000 pieces", "JIG", 19, 35),
            ("wrapping paper", "WRP", 3, 9),
            ("plush fox", "FOX", 15, 32),
            ("snow globe", "GLB", 14, 29),
            ("Räuchermännchen", "RAE", 24, 64),
            ("gift box", "BOX", 19, 99),
        ],
        details: &[
            "fig & cedar",
            "lavender",
            "\"Thank you\"",
            "“Alles Gute!”",
            "🎂",
            "🦊",
            "🎄 edition",
            "unlined",
            "gold foil",
            "rosé",
            "50 h",
            "assorted",
        ],
    },
];

/// Something that comes in several variants.
pub(super) struct Range {
    /// Its department: a place in [`SHELVES`].
    pub(super) shelf: usize,
    /// Its name.
    pub(super) name: &'static str,
    /// Letters for the SKUs.
    pub(super) letters: &'static str,
    /// Options with their values, up to three.
    pub(super) options: &'static [(&'static str, &'static [&'static str])],
    /// The cheapest variant, in whole units.
    pub(super) price: i64,
}

pub(super) const RANGES: &[Range] = &[
    Range {
        shelf: 1,
        name: "Merino jumper \"Fjord\"",
        letters: "JMP",
        options: &[("Color", &["Moss green", "Charcoal", "Rosé"]), ("Size", &["S", "M", "L"])],
        price: 89,
    },
    Range {
        shelf: 1,
        name: "Hiking boot, waxed",
        letters: "BOO",
        options: &[("Size", &["38", "39", "40", "41 ½", "42"])],
        price: 159,
    },
    Range {
        shelf: 0,
        name: "Enamel mug",
        letters: "EMU",
        options: &[("Color", &["Sea blue", "White/Navy", "Signal orange", "Gelb ⭐"])],
        price: 12,
    },
    Range {
        shelf: 2,
        name: "Scented candle – Zoë & Co.",
        letters: "SCC",
        options: &[("Scent", &["Fig & cedar", "Lavender"]), ("Burning time", &["20 h", "50 h"])],
        price: 14,
    },
    Range {
        shelf: 0,
        name: "Linen tablecloth",
        letters: "LIN",
        options: &[
            ("Color", &["Natural", "Sage"]),
            ("Format", &["Round", "Rectangular"]),
            ("Length", &["150 cm", "220 cm"]),
        ],
        price: 49,
    },
    Range {
        shelf: 2,
        name: "Gift card “Alles Gute!”",
        letters: "GFT",
        options: &[("Motif", &["Fox 🦊", "Cake 🎂", "Plain"])],
        price: 3,
    },
    Range {
        shelf: 1,
        name: "Trail socks",
        letters: "TRS",
        options: &[("Size", &["36–39", "40–43", "44–47"]), ("Color", &["Grey", "Black"])],
        price: 14,
    },
];
