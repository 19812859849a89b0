//! The words of strace: what stands between the brackets of a call.

/// A descriptor with the path behind it, or a text.
pub enum Piece {
    Open(i64, String),
    Text(Vec<u8>),
}

/// The descriptors and texts among the arguments of a call, in their order.
pub fn pieces(arguments: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = arguments;
    while let Some(at) = rest.find(['"', '<']) {
        let (before, after) = rest.split_at(at);
        let end = if after.starts_with('"') { '"' } else { '>' };
        let Some((inside, behind)) = after[1..].split_once(end) else { break };
        let bytes = unhex(inside);
        pieces.push(match end {
            '"' => Piece::Text(bytes),
            _ => {
                let word = before.rsplit([' ', ',', '(']).next().unwrap_or_default();
                let path = String::from_utf8_lossy(&bytes).into_owned();
                Piece::Open(word.parse().unwrap_or(-1), path)
            }
        });
        rest = behind;
    }
    pieces
}

/// Text with or without `\x2f` for some of its bytes.
fn unhex(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        let (digits, behind) = after.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        rest = behind;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
