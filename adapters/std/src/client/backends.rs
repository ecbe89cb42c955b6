//! The servers that have answered, and how much.

use crate::Backend;

/// The servers that have answered, in the order in which they were first seen.
///
/// Only servers that identify themselves (`echo-server --identify`) are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backends(Vec<Served>);

/// The part that a server had.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The server.
    pub backend: Backend,
    /// Connections that it has greeted.
    pub connections: u64,
    /// Lines that came back on them.
    pub lines: u64,
}

impl Backends {
    /// Returns true if none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Served> {
        self.0.iter()
    }

    /// Counts a connection. Returns the number of the server, for [`answered`](Self::answered).
    pub(crate) fn connected(&mut self, backend: &Backend) -> usize {
        let known = self.0.iter().position(|it| it.backend == *backend);
        let number = known.unwrap_or_else(|| {
            self.0.push(Served {
                backend: backend.clone(),
                connections: 0,
                lines: 0,
            });
            self.0.len() - 1
        });
        self.0[number].connections += 1;
        number
    }

    /// Counts lines that came back.
    pub(crate) fn answered(&mut self, number: usize, lines: u64) {
        self.0[number].lines += lines;
    }

    /// Returns the server of this number.
    pub(crate) fn get(&self, number: usize) -> &Backend {
        &self.0[number].backend
    }
}

impl<'a> IntoIterator for &'a Backends {
    type Item = &'a Served;
    type IntoIter = std::slice::Iter<'a, Served>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Identity;

    #[test]
    fn connections_and_lines_are_counted_for_each() {
        let backend = |name| Identity::new(name, "p", "l").backend;
        let mut backends = Backends::default();
        assert!(backends.is_empty());
        let numbers = ["a", "b", "a"].map(|name| backends.connected(&backend(name)));
        assert_eq!(numbers, [0, 1, 0]);
        backends.answered(0, 3);
        backends.answered(1, 2);
        let counted = backends
            .iter()
            .map(|it| (&*it.backend.name, it.connections, it.lines));
        assert_eq!(counted.collect::<Vec<_>>(), [("a", 2, 3), ("b", 1, 2)]);
    }
}
