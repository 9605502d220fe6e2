//! Where each layer begins and how far it reaches, in the direction from layer to layer.

/// Where the layers begin and end.
pub(super) struct Columns(Vec<(f64, f64)>);

impl Columns {
    /// As wide as their widest boxes, with more room between them the more lines go there.
    pub(super) fn new(layers: &[usize], along: &[f64], lines: &[(usize, usize)]) -> Self {
        let count = layers.iter().max().map_or(0, |highest| highest + 1);
        let (mut widths, mut between) = (vec![0.0_f64; count], vec![0_u32; count]);
        for (at, layer) in layers.iter().enumerate() {
            widths[*layer] = widths[*layer].max(along[at]);
        }
        for (from, _) in lines {
            if let Some(layer) = layers.get(*from) {
                between[*layer] += 1;
            }
        }
        let mut start = 0.0;
        let columns = widths.into_iter().zip(between).map(|(width, lines)| {
            let column = (start, width);
            start += width + 40.0 + f64::from(lines.min(60));
            column
        });
        Self(columns.collect())
    }

    pub(super) fn start(&self, layer: usize) -> f64 {
        self.0[layer].0
    }

    pub(super) fn width(&self, layer: usize) -> f64 {
        self.0[layer].1
    }

    /// Where the last one ends.
    pub(super) fn end(&self) -> f64 {
        self.0.last().map_or(0.0, |(start, width)| start + width)
    }
}
