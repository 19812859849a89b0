//! Which process of a container the kernel killed for want of memory, by its own log. Only a worker that may read that, on the
//! engine's own host, can tell: the engine knows no more than that there was one.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    os::unix::fs::OpenOptionsExt,
};

use pipelinex_common::foreign::shown_up_to;

/// The kernel's log, one record a read.
const LOG: &str = "/dev/kmsg";
/// The most records that are looked at: the kernel keeps some thousands.
const RECORDS_MAX: usize = 200_000;
/// The longest record, in bytes.
const RECORD_MAX: usize = 8192;

/// The name of the process that was killed last in this container; `None` where that cannot be known.
pub fn killed(container: &str) -> Option<String> {
    if container.is_empty() {
        return None;
    }
    let mut log = File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(LOG).ok()?;
    let (mut name, mut record) = (None, vec![0; RECORD_MAX]);
    for _ in 0..RECORDS_MAX {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => name = victim(&String::from_utf8_lossy(&record[..length]), container).or(name),
            // Overwritten meanwhile: the next read goes on with what there is.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    name
}

/// The name in a record such as `oom-kill:constraint=CONSTRAINT_MEMCG,...,task_memcg=/docker/ID,task=perl,pid=7,uid=10001`. A program
/// chooses its own name, at most 15 bytes of it.
fn victim(record: &str, container: &str) -> Option<String> {
    let told = record.split_once("oom-kill:")?.1;
    let (groups, rest) = told.split_once(",task=")?;
    let (name, _) = rest.rsplit_once(",pid=")?;
    groups.contains(container).then(|| shown_up_to(name, 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_from_the_record_of_its_own_container() {
        let record = "4,812,99,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=0a1b,mems_allowed=0,\
                      oom_memcg=/docker/0a1b,task_memcg=/docker/0a1b,task=a,pid=b\u{1b}[0m,pid=3301,uid=10001\n";
        assert_eq!(victim(record, "0a1b").as_deref(), Some("a,pid=b\\u{1b}[0m"));
        assert_eq!(victim(record, "2c3d"), None);
        assert_eq!(victim("6,1,2,-;a line about 0a1b", "0a1b"), None);
    }
}
