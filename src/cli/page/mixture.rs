//! The mixture of a page's models.

use makemore_tch::page::html::{MixtureFacts, NewFacts, Weighted};

use super::list::OfList;
use crate::cli::context::Context;
use crate::cli::models::Models;

/// The mixture of several models, by the weights that are given or best on held-out words or, where there
/// are none, by equal ones. The first of them is the model `first` of the page.
pub fn mixture(
    models: &Models,
    given: Option<&[f64]>,
    first: usize,
    list: Option<&OfList>,
    context: Context,
) -> anyhow::Result<Option<MixtureFacts>> {
    let files = models.files();
    if files.len() < 2 {
        return Ok(None);
    }
    let fitted = || list.and_then(|_| models.mixture(None).ok());
    let weights = match given {
        Some(given) => Some(models.mixture(Some(given))?.weights().to_vec()),
        None => fitted().map(|fitted| fitted.weights().to_vec()),
    };
    let weights = match weights {
        // As many digits as the page shows.
        Some(weights) => {
            let weights = weights.into_iter();
            weights.map(|weight| (weight * 1e4).round() / 1e4).collect()
        }
        None => {
            context.remarks.say("no words were held out from all models, so that the page mixes them with equal weights");
            vec![1.0; files.len()]
        }
    };
    let mixture = models.mixture(Some(&weights))?;
    let trained_on = models.trained_on().ok().flatten();
    let fit = list.map(|list| list.fit(&mixture, trained_on));
    let fit = fit.transpose()?.flatten();
    let new = fit.and_then(|fit| fit.nll_new());
    let weighted = weights.iter().enumerate();
    let weighted = weighted.map(|(place, &weight)| Weighted {
        model: first + place,
        weight,
    });
    Ok(Some(MixtureFacts {
        nll: fit.map(|fit| fit.all.nll()),
        new: new.map(|nll| NewFacts { nll: Some(nll) }),
        models: weighted.collect(),
    }))
}
