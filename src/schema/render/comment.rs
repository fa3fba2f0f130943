//! SQL of comments: each goes with the step that makes its object.

use crate::pg::Literal;
use crate::schema::model::Catalog;
use crate::schema::options::Options;
use crate::schema::render::Rendering;
use crate::schema::render::attach::Attacher;
use crate::sql;

/// To be called when the pieces of everything else are there. What has no piece is reported by whoever left it out.
pub(super) fn render(catalog: &Catalog, _options: &Options, to: &mut Rendering) {
    let attacher = Attacher::new(catalog, to);
    for comment in &catalog.comments {
        let text =
            sql!("COMMENT ON {subject} IS {text}", subject = comment.subject, text = Literal(&comment.text));
        attacher.attach(&mut to.pieces, comment.of, &[text]);
    }
}
