//! The icons of the pages: one file of symbols, and how a page shows one. An icon never stands alone: a word says the same.

use super::assets;

/// An icon of the sprite, as HTML. The name is also its class.
pub fn icon(name: &str) -> String {
    format!(
        r##"<svg class="i {name}" viewBox="0 0 16 16" aria-hidden="true"><use href="{}#{name}"/></svg>"##,
        assets::icons()
    )
}

/// A state as people read it: its icon and its words.
pub fn state(class: &str, words: &str) -> String {
    format!(r#"<span class="s {class}">{}{words}</span>"#, icon(class))
}
