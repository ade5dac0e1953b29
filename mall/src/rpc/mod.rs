//! Calls between services: balanced, guarded, bounded in time.
