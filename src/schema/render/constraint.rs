//! SQL of each constraint.

use crate::schema::model::Catalog;
use crate::schema::options::Options;
use crate::schema::render::Rendering;

pub(super) fn render(_catalog: &Catalog, _options: &Options, _to: &mut Rendering) {}
