//! Sources: where documents come from. Each kind has a file of its own that
//! knows of no other, but `sitemap`, which fetches; `locator` says which is
//! meant, and `entry` gives all of them one shape. Floor 3.

pub mod address;
pub mod bucket;
pub mod entry;
pub mod fetch;
pub mod git;
pub mod locator;
pub mod records;
pub mod sitemap;
pub mod walk;
pub mod watch;
