//! How a part of a line looks: what SGR sequences say, down to the sixteen colours that pages and terminals share.

/// One of the eight colours of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are colours")]
pub enum Colour {
    Black,
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    White,
}

const COLOURS: [Colour; 8] = [
    Colour::Black,
    Colour::Red,
    Colour::Green,
    Colour::Yellow,
    Colour::Blue,
    Colour::Magenta,
    Colour::Cyan,
    Colour::White,
];

/// How text looks. Backgrounds, blinking and concealing are not kept: each can hide text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Its colour; `None` is the reader's own.
    pub colour: Option<Colour>,
    /// Stands out.
    pub bold: bool,
    /// Stands back.
    pub dim: bool,
    /// Has a line below it.
    pub underlined: bool,
}

impl Style {
    /// Whether it is as text is by itself.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// The digits that say this in an SGR sequence; empty for plain text.
    pub fn codes(self) -> String {
        let flags = [(self.bold, "1"), (self.dim, "2"), (self.underlined, "4")];
        let mut codes: Vec<String> = flags.iter().filter(|(on, _)| *on).map(|(_, code)| (*code).to_owned()).collect();
        codes.extend(self.colour.map(|colour| (30 + colour as u8).to_string()));
        codes.join(";")
    }

    /// Takes the parameters of an SGR sequence; what is not known changes nothing.
    pub(super) fn apply(&mut self, parameters: &str) {
        if parameters.starts_with(['<', '=', '>', '?']) {
            return;
        }
        let mut codes = parameters.split([';', ':']).map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                4 => self.underlined = true,
                22 => (self.bold, self.dim) = (false, false),
                24 => self.underlined = false,
                30..=37 => self.colour = colour(code - 30),
                90..=97 => self.colour = colour(code - 90),
                38 => self.colour = extended(&mut codes).or(self.colour),
                39 => self.colour = None,
                48 | 58 => {
                    extended(&mut codes);
                }
                _ => {}
            }
        }
    }
}

/// Black and white are the ground and the ink of somebody's terminal; here they would be one or the other by chance.
fn colour(number: u16) -> Option<Colour> {
    COLOURS.get(usize::from(number)).copied().filter(|colour| !matches!(colour, Colour::Black | Colour::White))
}

/// `5;N` of a palette of 256, or `2;R;G;B`: the nearest that we have.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<Colour> {
    match codes.next()? {
        5 => match codes.next()? {
            number @ 0..=15 => colour(number % 8),
            number @ 16..=231 => {
                let cube = number - 16;
                nearest([cube / 36, cube / 6 % 6, cube % 6].map(|part| part * 51))
            }
            _ => None,
        },
        2 => {
            let mut part = || codes.next();
            nearest([part()?, part()?, part()?])
        }
        _ => None,
    }
}

/// Each part that is strong beside the strongest is on.
fn nearest(parts: [u16; 3]) -> Option<Colour> {
    let most = parts.into_iter().max().filter(|most| *most >= 64)?;
    let on = parts.map(|part| u16::from(part * 3 >= most * 2));
    colour(on[0] + 2 * on[1] + 4 * on[2])
}
