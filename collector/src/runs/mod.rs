//! Load runs: join and cohorts.
