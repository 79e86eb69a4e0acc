-- Finds PINs that are hashed as passwords are. Each gets a keyed hash when it is next given; then the index is empty.
CREATE INDEX email_token_token_old_pin ON email_token_token (serial) WHERE substr(pin_hash, 1, 8) = '$scrypt$';
