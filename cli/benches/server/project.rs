//! The project that is uploaded: 5,000 files, 59 MB, half of that when packed. The same one at every run.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

const POM: &str = include_str!("../../../examples/spring-boot-maven/pom.xml");
const FILES: usize = 5_000;
const BYTES: usize = 59_000_000;
const MAIN: &str = "package a;\n@SpringBootApplication\npublic class App { public static void main(String[] a) {} }\n";

/// Numbers that look random and are the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Hexadecimal digits: half of it is news, as in source code.
    fn digits(&mut self, length: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 16);
        while text.len() < length {
            text.extend_from_slice(format!("{:016x}", self.next()).as_bytes());
        }
        text.truncate(length);
        text
    }
}

/// Many files of different sizes.
pub fn many_files(path: &Path) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mean = BYTES / FILES;
    let files = (0..FILES - 2).map(|n| {
        // From an eighth to fifteen eighths of the mean.
        let length = mean / 8 + random.next() as usize % (mean * 7 / 4);
        let name = format!("src/main/resources/data/{:02}/{:02}/file-{n}.txt", n % 7, n % 61);
        (name, random.digits(length))
    });
    write(path, CompressionMethod::Deflated, files);
}

/// Few files of altogether `bytes`, stored as they are: the upload is as large as it can be.
pub fn few_files(path: &Path, bytes: usize) {
    let mut random = Random(1);
    let part = bytes / 8;
    write(path, CompressionMethod::Stored, (0..8).map(|n| (format!("data/{n}"), random.digits(part))));
}

fn write(path: &Path, method: CompressionMethod, files: impl Iterator<Item = (String, Vec<u8>)>) {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(path).expect("the archive")));
    let options = SimpleFileOptions::default().compression_method(method);
    let ours = [("pom.xml", POM), ("src/main/java/a/App.java", MAIN)];
    let ours = ours.into_iter().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    for (name, content) in ours.chain(files) {
        zip.start_file(name, options).expect("an entry");
        zip.write_all(&content).expect("its content");
    }
    zip.finish().expect("an archive").flush().expect("it is written");
}
