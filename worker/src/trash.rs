//! Removing what was thrown away. As root nothing stands in the way; without, what runners made and what the kernel left of
//! their overlays belongs to others, and so a container removes it that sees nothing but the trash.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    Worker,
    engine::Resources,
    helper::{self, Helper, Rights},
    spec::{LABEL_CREATED, LABEL_INSTANCE, MountSource, OPEN_FILES},
};

/// Where the helper sees the trash.
const TRASH: &str = "/home/runner/trash";
/// The longest that one helper may take: millions of files take minutes.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

impl Worker {
    /// Removes what was thrown away, on a thread of its own that nobody waits for: a tree may have millions of files.
    pub(crate) fn empty_trash(self: &Arc<Self>) {
        // A process for one job ends with it: its worker does this.
        if self.config.apart.is_empty() {
            return;
        }
        let me = self.clone();
        std::thread::spawn(move || {
            let Ok(_alone) = me.state.trash.try_lock() else { return };
            if let Err(error) = me.remove_thrown_away() {
                tracing::warn!(%error, "not everything that was thrown away could be removed; trying again");
            }
        });
    }

    fn remove_thrown_away(&self) -> Result<(), String> {
        let emptied = self.store.empty_trash().map_err(|error| error.to_string());
        if emptied.is_ok() || rustix::process::geteuid().is_root() {
            return emptied;
        }
        self.runtime.block_on(self.send_cleaner())?;
        self.store.empty_trash().map_err(|error| error.to_string())
    }

    async fn send_cleaner(&self) -> Result<(), String> {
        let engine = self.engine().await.map_err(|error| error.to_string())?;
        let environment = self.environment(&engine).await.map_err(|error| error.to_string())?;
        let image = self.some_image(&engine).await.ok_or("no runner image is there")?;
        let name = format!("pipelinex-trash-{}", uuid::Uuid::new_v4().as_simple());
        let helper = Helper {
            name: name.clone(),
            image,
            script: format!("find {TRASH} -mindepth 1 -delete"),
            rights: Rights::Cleaner,
            shows: MountSource::Bind(environment.workspaces.join(".trash")),
            at: TRASH.to_owned(),
            labels: BTreeMap::from([
                (LABEL_INSTANCE.to_owned(), self.store.instance().as_str().to_owned()),
                (LABEL_CREATED.to_owned(), jiff::Timestamp::now().as_second().to_string()),
            ]),
            patience: PATIENCE,
            open_files: OPEN_FILES,
        };
        let done = helper::run(&engine, helper).await;
        let container = Resources { containers: vec![name], ..Resources::default() };
        engine.remove(&container).await.map_err(|error| error.to_string())?;
        done
    }
}
