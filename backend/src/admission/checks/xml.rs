//! Reads a small XML file of foreign making into a tree: no document type, no entities, no depth or size without a limit.
//!
//! Names are taken as they are written, prefix and all, because Maven reads them so: `<m:parent>` is no `<parent>`.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    escape::resolve_predefined_entity,
    events::{BytesDecl, BytesRef, Event},
};

/// The deepest nesting that is read; a pom needs ten.
const DEPTH_MAX: usize = 64;
/// The most elements that are read.
const ELEMENTS_MAX: usize = 100_000;

/// An element with its own text and its children.
#[derive(Debug, Default)]
pub struct Element {
    /// The name as it is written.
    pub name: String,
    /// Its text, outer white space removed.
    pub text: String,
    /// Its children in their order.
    pub children: Vec<Element>,
}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.all(name).next()
    }

    /// The element that a path of names leads to.
    pub fn at(&self, path: &[&str]) -> Option<&Element> {
        path.iter().try_fold(self, |element, name| element.child(name))
    }

    /// The children of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The text of the first child of that name, unless it is empty.
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Why a file is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmlError {
    /// It is not in UTF-8; what it seems to be instead.
    Encoding(String),
    /// It has a document type declaration.
    Doctype,
    /// It is no XML, or too large or deep a tree: a sentence without a full stop.
    Malformed(String),
}

/// Reads a whole document.
///
/// # Errors
/// [`XmlError`].
pub fn parse(content: &[u8]) -> Result<Element, XmlError> {
    let mut reader = Reader::from_str(decode(content)?);
    let mut tree = Tree::default();
    loop {
        let event = reader.read_event().map_err(|error| malformed(&reader, content, &error))?;
        match event {
            Event::Start(start) => tree.open(start.name().as_ref())?,
            Event::End(_) => tree.close(),
            Event::Empty(start) => {
                tree.open(start.name().as_ref())?;
                tree.close();
            }
            Event::Text(text) => tree.text(&text),
            Event::CData(text) => tree.text(&text),
            Event::GeneralRef(reference) => tree.text(&resolve(&reference)),
            Event::Decl(declaration) => check_declared(&declaration, content)?,
            Event::DocType(_) => return Err(XmlError::Doctype),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => return tree.finish(),
        }
    }
}

/// What is being read: the open elements, and the finished root.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl Tree {
    fn open(&mut self, name: &str) -> Result<(), XmlError> {
        self.elements += 1;
        if self.open.len() >= DEPTH_MAX {
            return Err(XmlError::Malformed(format!("elements are nested more than {DEPTH_MAX} deep")));
        }
        if self.elements > ELEMENTS_MAX {
            return Err(XmlError::Malformed(format!("it has more than {ELEMENTS_MAX} elements")));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(XmlError::Malformed("a second root element follows the first".to_owned()));
        }
        self.open.push(Element { name: name.to_owned(), ..Element::default() });
        Ok(())
    }

    fn close(&mut self) {
        let Some(mut element) = self.open.pop() else { return };
        element.text = element.text.trim().to_owned();
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(text);
        }
    }

    fn finish(self) -> Result<Element, XmlError> {
        match (self.open.last(), self.root) {
            (Some(open), _) => {
                let name = pipelinex_common::foreign::shown(&open.name);
                Err(XmlError::Malformed(format!("the element `{name}` is not closed")))
            }
            (None, Some(root)) => Ok(root),
            (None, None) => Err(XmlError::Malformed("it has no element at all".to_owned())),
        }
    }
}

/// Character references and the five names that XML itself has. Any other name stays as it is written: without a
/// document type it stands for nothing that could be fetched or unfolded.
fn resolve<'r>(reference: &'r BytesRef<'_>) -> Cow<'r, str> {
    match reference.resolve_char_ref() {
        Ok(Some(character)) => Cow::Owned(character.to_string()),
        _ => match resolve_predefined_entity(reference) {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(format!("&{};", &**reference)),
        },
    }
}

fn decode(content: &[u8]) -> Result<&str, XmlError> {
    let wide = match content {
        [0xff, 0xfe, ..] | [b'<', 0, ..] => Some("UTF-16, little-endian"),
        [0xfe, 0xff, ..] | [0, b'<', ..] => Some("UTF-16, big-endian"),
        _ => None,
    };
    if let Some(wide) = wide {
        return Err(XmlError::Encoding(wide.to_owned()));
    }
    let text = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        XmlError::Encoding(format!("something else: line {line} has a byte that is not UTF-8"))
    })
}

/// A file that declares another encoding would be read differently by Maven, unless all of it is ASCII and the encoding
/// is one of those that begin with ASCII.
fn check_declared(declaration: &BytesDecl<'_>, content: &[u8]) -> Result<(), XmlError> {
    let Some(Ok(declared)) = declaration.encoding() else { return Ok(()) };
    let name = declared.to_ascii_lowercase();
    let extends_ascii = ["iso-8859-", "windows-125", "us-ascii", "ascii", "latin1"];
    if name == "utf-8" || name == "utf8" || (content.is_ascii() && extends_ascii.iter().any(|e| name.starts_with(e))) {
        return Ok(());
    }
    Err(XmlError::Encoding(pipelinex_common::foreign::shown(&declared)))
}

fn malformed(reader: &Reader<&[u8]>, content: &[u8], error: &quick_xml::Error) -> XmlError {
    let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX).min(content.len());
    let line = content[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let message = error.to_string();
    let message = message.strip_prefix("ill-formed document: ").unwrap_or(&message);
    XmlError::Malformed(format!("line {line}: {}", pipelinex_common::foreign::shown(message)))
}
