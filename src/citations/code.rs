//! What of an answer is code, by Markdown's backticks: there `[1]` is no marker. Pure.

/// Sees an answer's characters one after the other.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// Backticks in a row just now, and whether they began their line.
    ticks: usize,
    leading: bool,
    inline: bool,
    fence: bool,
}

impl Code {
    /// Sees a character, and whether something stands before it on its line.
    pub(super) fn see(&mut self, c: char, printed: bool) {
        if c == '`' {
            self.leading = if self.ticks == 0 { !printed } else { self.leading };
            self.ticks += 1;
            return;
        }
        self.resolve();
        self.inline &= c != '\n';
    }

    /// A row of backticks is over.
    pub(super) fn resolve(&mut self) {
        match self.ticks {
            3.. if self.leading => self.fence = !self.fence,
            1 | 2 if !self.fence => self.inline = !self.inline,
            _ => {}
        }
        self.ticks = 0;
    }

    /// Whether what comes next is code.
    pub(super) fn is_open(&self) -> bool {
        self.inline || self.fence
    }

    /// Whether it stands in a block of its own.
    pub(super) fn is_fenced(&self) -> bool {
        self.fence
    }
}
