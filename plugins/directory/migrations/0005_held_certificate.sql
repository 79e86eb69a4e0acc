-- The certificate that waits with the address. NULL: the stored one stays.
ALTER TABLE directory_email_change ADD COLUMN certificate TEXT;
