//! The product tree (section 3.2.2 of both versions).

use super::super::Versions::{Two, TwoOne};
use super::super::structure::Shape::{self, Like, List, Object, Set, Text, Word};
use super::super::words;
use super::{TEXT_SET, TEXTS, URI, URIS, may, must};

/// `product_tree`.
pub static TREE: Shape = Object(
    &[
        may("branches", &BRANCHES),
        may("full_product_names", &List(&PRODUCT, 1)),
        may("product_groups", &List(&GROUP, 1)),
        may("product_paths", &List(&PATH, 1)).of(TwoOne),
        may("relationships", &List(&RELATIONSHIP, 1)).of(Two),
    ],
    1,
);

static GROUP: Shape = Object(&[must("group_id", &Text), must("product_ids", &Set(&Text, 2)), may("summary", &Text)], 0);

static RELATION: Shape =
    Word(&["default_component_of", "external_component_of", "installed_on", "installed_with", "optional_component_of"]);

static RELATIONSHIP: Shape = Object(
    &[
        must("category", &RELATION),
        must("full_product_name", &PRODUCT),
        must("product_reference", &Text),
        must("relates_to_product_reference", &Text),
    ],
    0,
);

static PATH: Shape = Object(
    &[
        must("beginning_product_reference", &Text),
        must("full_product_name", &PRODUCT),
        must("subpaths", &List(&Object(&[must("category", &RELATION), must("next_product_reference", &Text)], 0), 1)),
    ],
    0,
);

static BRANCHES: Shape = List(
    &Object(
        &[
            may("branches", &BRANCHES),
            // The union of both versions: `legacy` was in drafts of 2.1, `platform` was not.
            must(
                "category",
                &Word(&[
                    "architecture",
                    "host_name",
                    "language",
                    "legacy",
                    "patch_level",
                    "platform",
                    "product_family",
                    "product_name",
                    "product_version",
                    "product_version_range",
                    "service_pack",
                    "specification",
                    "vendor",
                ]),
            ),
            must("name", &Text),
            may("product", &PRODUCT),
        ],
        3,
    ),
    1,
);

static PRODUCT: Shape =
    Object(&[must("name", &Text), must("product_id", &Text), may("product_identification_helper", &HELPER)], 0);

static HELPER: Shape = Object(
    &[
        may("cpe", &Like("a CPE", words::is_cpe)),
        may(
            "hashes",
            &List(
                &Object(
                    &[
                        must(
                            "file_hashes",
                            &List(
                                &Object(&[must("algorithm", &Text), must("value", &Like("a hash", words::is_hash))], 0),
                                1,
                            ),
                        ),
                        must("filename", &Text),
                    ],
                    0,
                ),
                1,
            ),
        ),
        may("model_numbers", &TEXT_SET),
        may("purl", &Like("a package URL", words::is_package)).of(Two),
        may("purls", &Set(&Like("a package URL", words::is_package), 1)).of(TwoOne),
        may("sbom_urls", &URIS),
        may("serial_numbers", &TEXT_SET),
        may("skus", &TEXTS),
        may("x_generic_uris", &List(&Object(&[must("namespace", &URI), must("uri", &URI)], 0), 1)),
    ],
    1,
);
