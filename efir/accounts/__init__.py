"""People, roles as capability sets, sign-up with referral, contacts."""
