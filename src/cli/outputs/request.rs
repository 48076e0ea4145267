//! The files that the user wants written.

use std::path::Path;

use anyhow::bail;
use makemore_tch::checkpoint::resume::last_of;
use makemore_tch::files::check_distinct;

/// The files that the user named.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub out: &'a Path,
    pub force: bool,
    pub resume: Option<&'a Path>,
    /// Whether the state of the run is saved in a file of its own.
    pub has_state: bool,
    /// The first line of the losses as CSV.
    pub columns: &'static str,
    pub metrics: Option<&'a Path>,
    pub plot: Option<&'a Path>,
    /// The folder of the events for TensorBoard.
    pub events: Option<&'a Path>,
    pub data: Vec<&'a Path>,
}

impl Request<'_> {
    /// Refuses an output that is also an input or another output, and a checkpoint named like an ARPA
    /// file.
    pub fn check_names(&self) -> anyhow::Result<()> {
        let further = [self.plot, self.metrics, self.events];
        let further: Vec<&Path> = further.into_iter().flatten().collect();
        let state = last_of(self.out);
        let mut all = vec![self.out];
        if self.has_state {
            all.push(&state);
        }
        all.extend(&further);
        check_distinct(&all, &self.data)?;
        // Only the new checkpoint may replace the resumed one.
        let resume: Vec<&Path> = self.resume.into_iter().collect();
        check_distinct(&further, &resume)?;
        let name = self.out.to_string_lossy().to_lowercase();
        if name.trim_end_matches(".gz").ends_with(".arpa") {
            let file = self.out.display();
            bail!(
                "{file}: a checkpoint is no ARPA file; train to another name, of which `makemore-tch export {file}` makes one"
            );
        }
        Ok(())
    }
}
