//! `GET /docs` and `GET /docs/{page}`: the book, as it was when the program was built, drawn from the Markdown of `docs/` without a
//! network. `docs/README.md` is its contents: what it links to is a page, in that order. `?q=` looks for words in all of it.

use std::{collections::BTreeMap, sync::LazyLock};

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::Response,
};
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};
use rust_embed::RustEmbed;
use serde::Deserialize;

use super::{PageError, icons::icon, page as page_of};
use crate::error::ApiError;

#[derive(RustEmbed)]
#[folder = "../docs/"]
#[include = "*.md"]
struct Sources;

/// The name of the file of contents.
const CONTENTS: &str = "README";
/// The most sections that an answer to a search has.
const FOUND_MAX: usize = 30;
/// Characters shown of what was found.
const EXCERPT: usize = 200;

struct Chapter {
    name: String,
    title: String,
    html: String,
    sections: Vec<Section>,
}

/// What stands below one heading, as plain text.
struct Section {
    heading: String,
    anchor: String,
    text: String,
}

struct Found {
    chapter: &'static str,
    name: &'static str,
    heading: &'static str,
    anchor: &'static str,
    excerpt: String,
}

/// By name; the contents under theirs.
static CHAPTERS: LazyLock<BTreeMap<String, Chapter>> = LazyLock::new(|| {
    let files = Sources::iter().filter_map(|path| {
        let text = String::from_utf8(Sources::get(&path)?.data.into_owned()).ok()?;
        Some((path.strip_suffix(".md")?.to_owned(), text))
    });
    files.map(|(name, text)| (name.clone(), chapter(&name, &text))).collect()
});

/// The chapters in the order in which the contents name them.
static ORDER: LazyLock<Vec<&'static Chapter>> = LazyLock::new(|| {
    let contents = Sources::get("README.md").map(|file| String::from_utf8_lossy(&file.data).into_owned());
    let contents = contents.unwrap_or_default();
    let links = Parser::new(&contents).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => dest_url.strip_suffix(".md").map(str::to_owned),
        _ => None,
    });
    links.filter_map(|name| CHAPTERS.get(&name)).collect()
});

#[derive(Template)]
#[template(path = "book.html")]
struct BookPage {
    title: &'static str,
    html: &'static str,
    name: &'static str,
    q: String,
    searched: bool,
    found: Vec<Found>,
    chapters: &'static [&'static Chapter],
    before: Option<&'static Chapter>,
    after: Option<&'static Chapter>,
}

/// What stands behind `?`.
#[derive(Debug, Deserialize)]
pub struct Wish {
    q: Option<String>,
}

/// The contents, or what was found.
pub async fn contents(Query(wish): Query<Wish>) -> Result<Response, PageError> {
    let q = wish.q.unwrap_or_default();
    let found = search(&q);
    draw(CONTENTS, q, found)
}

/// One chapter.
pub async fn page(Path(name): Path<String>) -> Result<Response, PageError> {
    draw(&name, String::new(), Vec::new())
}

fn draw(name: &str, q: String, found: Vec<Found>) -> Result<Response, PageError> {
    let chapter = CHAPTERS.get(name).ok_or_else(ApiError::no_such_page)?;
    let place = ORDER.iter().position(|one| one.name == name);
    let before = place.and_then(|place| place.checked_sub(1)).and_then(|place| ORDER.get(place));
    let after = ORDER.get(place.map_or(0, |place| place + 1));
    let searched = !q.trim().is_empty();
    let page = BookPage {
        title: &chapter.title,
        html: &chapter.html,
        name: &chapter.name,
        q,
        searched,
        found,
        chapters: &ORDER,
        before: before.copied(),
        after: after.copied(),
    };
    Ok(page_of(StatusCode::OK, &page))
}

/// The sections that have all the words, those with one in the heading first.
fn search(q: &str) -> Vec<Found> {
    let words: Vec<String> = q.split_whitespace().map(str::to_lowercase).collect();
    if words.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(bool, Found)> = Vec::new();
    for chapter in ORDER.iter() {
        for section in &chapter.sections {
            let (heading, text) = (section.heading.to_lowercase(), section.text.to_lowercase());
            if words.iter().all(|word| heading.contains(word) || text.contains(word)) {
                let named = words.iter().any(|word| heading.contains(word));
                found.push((!named, hit(chapter, section, &words)));
            }
        }
    }
    found.sort_by_key(|(later, _)| *later);
    found.into_iter().map(|(_, hit)| hit).take(FOUND_MAX).collect()
}

fn hit(chapter: &'static Chapter, section: &'static Section, words: &[String]) -> Found {
    // Lower case may have other lengths, so the place is counted in characters and is only about right.
    let lower = section.text.to_lowercase();
    let at = words.iter().filter_map(|word| lower.find(word.as_str())).min().unwrap_or_default();
    let before = lower[..at].chars().count().saturating_sub(EXCERPT / 3);
    let excerpt: String = section.text.chars().skip(before).take(EXCERPT).collect();
    // From the middle of a text whole words are shown.
    let whole = if before > 0 { excerpt.split_once(' ').map_or("", |(_, rest)| rest) } else { &excerpt };
    let mut excerpt = whole.split_whitespace().collect::<Vec<_>>().join(" ");
    if before > 0 {
        excerpt.insert_str(0, "… ");
    }
    Found { chapter: &chapter.title, name: &chapter.name, heading: &section.heading, anchor: &section.anchor, excerpt }
}

/// Markdown as HTML, with an anchor at each heading. It is ours, and HTML in it is text all the same.
fn chapter(name: &str, text: &str) -> Chapter {
    let mut chapter =
        Chapter { name: name.to_owned(), title: String::new(), html: String::new(), sections: Vec::new() };
    let events: Vec<Event<'_>> = Parser::new_ext(text, Options::ENABLE_TABLES).collect();
    let mut drawn = Vec::with_capacity(events.len());
    let mut heading = false;
    for (place, event) in events.iter().enumerate() {
        let event = match event.clone() {
            Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
            Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                heading = true;
                let words = heading_text(&events[place + 1..]);
                let anchor = anchor(&words);
                if chapter.title.is_empty() {
                    chapter.title.clone_from(&words);
                }
                chapter.sections.push(Section { heading: words, anchor: anchor.clone(), text: String::new() });
                Event::Start(Tag::Heading { level, id: Some(anchor.into()), classes, attrs })
            }
            Event::End(TagEnd::Heading(level)) => {
                heading = false;
                Event::End(TagEnd::Heading(level))
            }
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                Event::Start(Tag::Link { link_type, dest_url: address(&dest_url), title, id })
            }
            other => other,
        };
        if let (false, Some(section)) = (heading, chapter.sections.last_mut()) {
            match &event {
                Event::Text(text) | Event::Code(text) => section.text.push_str(text),
                Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link) => {}
                Event::SoftBreak | Event::HardBreak | Event::End(_) => section.text.push(' '),
                _ => {}
            }
        }
        drawn.push(event);
    }
    html::push_html(&mut chapter.html, drawn.into_iter());
    chapter
}

fn heading_text(rest: &[Event<'_>]) -> String {
    let until = rest.iter().take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))));
    until
        .filter_map(|event| if let Event::Text(text) | Event::Code(text) = event { Some(&**text) } else { None })
        .collect()
}

/// As GitHub makes them, so that a link works in both places.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "- _".contains(*c);
    heading.to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Where a link of the repository leads here: pages of the book are pages, what else is in the repository is not served.
fn address<'a>(link: &str) -> CowStr<'a> {
    let (file, anchor) = link.split_once('#').map_or((link, String::new()), |(file, rest)| (file, format!("#{rest}")));
    match file.strip_suffix(".md") {
        Some(CONTENTS) => format!("/docs{anchor}").into(),
        Some(page) if !page.contains('/') => format!("/docs/{page}{anchor}").into(),
        _ => link.to_owned().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_a_page_whose_links_and_headings_lead_somewhere() {
        let text = "# A *title*\n\nWords <b>bold</b>, [limits](limits.md#how-far), [all](README.md), [code](../x.rs).\n\n\
                    ## How `far`, exactly?\n\nTo the **end**.\n\n| a | b |\n| - | - |\n| 1 | 2 |\n";
        let chapter = chapter("x", text);
        assert_eq!(chapter.title, "A title");
        for part in [
            "<h1 id=\"a-title\">A <em>title</em></h1>",
            "&lt;b&gt;bold&lt;/b&gt;",
            "href=\"/docs/limits#how-far\"",
            "href=\"/docs\"",
            "<h2 id=\"how-far-exactly\">",
            "<td>1</td>",
        ] {
            assert!(chapter.html.contains(part), "{part}: {}", chapter.html);
        }
        let told: Vec<_> = chapter.sections.iter().map(|one| (one.heading.as_str(), one.text.trim())).collect();
        assert_eq!(told[1], ("How far, exactly?", "To the end. a b  1 2"));
    }

    #[test]
    fn every_page_of_the_book_is_in_its_contents_and_every_link_leads_to_one() {
        for name in CHAPTERS.keys().filter(|name| *name != CONTENTS) {
            assert!(ORDER.iter().any(|one| one.name == *name), "docs/README.md does not name {name}.md");
        }
        for chapter in CHAPTERS.values() {
            for link in chapter.html.split("href=\"/docs/").skip(1) {
                let link = link.split('"').next().unwrap();
                let (name, anchor) = link.split_once('#').unwrap_or((link, ""));
                let page = CHAPTERS.get(name).unwrap_or_else(|| panic!("{}: no page {name}", chapter.name));
                let known = anchor.is_empty() || page.sections.iter().any(|section| section.anchor == anchor);
                assert!(known, "{}: {name} has no heading #{anchor}", chapter.name);
            }
        }
    }

    /// What the stacks know to go wrong, and nothing that they no longer know.
    #[test]
    fn every_known_cause_is_explained() {
        #[derive(Deserialize)]
        struct File {
            causes: Vec<Row>,
        }
        #[derive(Deserialize)]
        struct Row {
            says: String,
            hint: String,
        }
        let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let page = &CHAPTERS["troubleshooting"];
        let told = one_line(&page.sections.iter().map(|section| section.text.as_str()).collect::<String>());
        let mut rows = 0;
        for stack in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../pipelines")).unwrap() {
            let Ok(text) = std::fs::read_to_string(stack.unwrap().path().join("causes.yml")) else { continue };
            let file: File = serde_saphyr::from_str(&text).unwrap();
            for row in file.causes {
                rows += 1;
                for part in [row.says.replace('`', ""), row.hint.replace('`', "")] {
                    assert!(told.contains(&one_line(&part)), "docs/troubleshooting.md does not say: {part}");
                }
            }
        }
        assert_eq!(page.html.matches("<tr>").count() - page.html.matches("<thead>").count(), rows, "a row each");
    }

    #[test]
    fn what_is_searched_for_is_found_where_all_its_words_stand() {
        let found = search("holder HEARTBEAT");
        assert!(
            found.iter().any(|hit| hit.name == "claims"),
            "{:?}",
            found.iter().map(|hit| hit.name).collect::<Vec<_>>()
        );
        assert!(search("holder zzzunknown").is_empty());
        assert!(search(" ").is_empty());
    }
}
