//! Figures that count every span: RED, ledgers, graph, metrics.
