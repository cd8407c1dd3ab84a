-- What PostgreSQL (16 or newer) needs before Vault can make its users. Run it in FluentPro's database,
-- as a superuser, as often as you like; then give fluentpro_vault a password, and that to
-- `fluentpro vault bootstrap`, which has Vault change it to one that nobody knows.

-- The owner of everything in the database. Nobody logs in as it: users come and go as its members, act
-- as it from their first statement on, own nothing, and can be dropped at any time.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fluentpro_owner') THEN
    CREATE ROLE fluentpro_owner NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fluentpro_static') THEN
    CREATE ROLE fluentpro_static LOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fluentpro_vault') THEN
    CREATE ROLE fluentpro_vault LOGIN CREATEROLE;
  END IF;
  EXECUTE format('ALTER DATABASE %I OWNER TO fluentpro_owner', current_database());
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO fluentpro_vault', current_database());
END
$$;

-- The user whose password Vault changes on a schedule.
GRANT fluentpro_owner TO fluentpro_static;
ALTER ROLE fluentpro_static SET role = 'fluentpro_owner';

-- Vault makes members of the owner without being one, sets the static user's password, and ends the
-- sessions of a user that it drops. It reads no table.
GRANT fluentpro_owner TO fluentpro_vault WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT fluentpro_static TO fluentpro_vault WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
GRANT pg_signal_backend TO fluentpro_vault;
