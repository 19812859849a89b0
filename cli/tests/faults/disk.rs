//! A file system of 64 MiB that is filled: what does not fit is refused, what runs ends, and space that returns is used.
