//! The shop: gateway, user, order and pay services.
