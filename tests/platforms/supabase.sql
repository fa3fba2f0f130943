-- A database as a Supabase project has it, on plain PostgreSQL: run by the superuser `supabase_admin` in a database that
-- `postgres` owns. Written for the tests after what the platform's public repositories make; only what matters to a clone.

-- Extensions have a schema of their own, and event triggers look after them.
CREATE SCHEMA extensions AUTHORIZATION postgres;
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;
GRANT ALL ON SCHEMA extensions TO dashboard_user;
CREATE EXTENSION pgcrypto WITH SCHEMA extensions;
CREATE EXTENSION "uuid-ossp" WITH SCHEMA extensions;
CREATE FUNCTION extensions.grant_pg_net_access() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'pg_net') THEN
        GRANT USAGE ON SCHEMA net TO postgres, anon, authenticated, service_role;
    END IF;
END $$;
CREATE FUNCTION extensions.pgrst_ddl_watch() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY pgrst, 'reload schema';
END $$;
CREATE EVENT TRIGGER issue_pg_net_access ON ddl_command_end WHEN TAG IN ('CREATE EXTENSION')
    EXECUTE FUNCTION extensions.grant_pg_net_access();
CREATE EVENT TRIGGER pgrst_ddl_watch ON ddl_command_end EXECUTE FUNCTION extensions.pgrst_ddl_watch();

-- Who asks: every policy of the application calls these.
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth TO postgres, anon, authenticated, service_role, supabase_realtime_admin;
GRANT ALL ON SCHEMA auth TO supabase_auth_admin, dashboard_user;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_auth_admin IN SCHEMA auth GRANT ALL ON TABLES TO postgres, dashboard_user;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_auth_admin IN SCHEMA auth GRANT ALL ON SEQUENCES TO postgres, dashboard_user;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_auth_admin IN SCHEMA auth GRANT ALL ON ROUTINES TO postgres, dashboard_user;
SET ROLE supabase_auth_admin;
CREATE TYPE auth.factor_type AS ENUM ('totp', 'webauthn', 'phone');
CREATE TABLE auth.users (
    instance_id uuid,
    id uuid PRIMARY KEY,
    role varchar(255),
    email varchar(255),
    encrypted_password varchar(255),
    raw_user_meta_data jsonb,
    phone text DEFAULT NULL UNIQUE,
    confirmed_at timestamptz,
    email_confirmed_at timestamptz GENERATED ALWAYS AS (confirmed_at) STORED,
    is_anonymous boolean NOT NULL DEFAULT false,
    created_at timestamptz
);
COMMENT ON TABLE auth.users IS 'Who can log in.';
CREATE UNIQUE INDEX users_email_partial_key ON auth.users (email) WHERE NOT is_anonymous;
CREATE TABLE auth.identities (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    provider text NOT NULL,
    identity_data jsonb NOT NULL,
    email text GENERATED ALWAYS AS (lower(identity_data ->> 'email')) STORED,
    UNIQUE (provider, user_id)
);
CREATE TABLE auth.sessions (id uuid PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, ip inet);
CREATE TABLE auth.refresh_tokens (
    id bigserial PRIMARY KEY,
    token varchar(255) UNIQUE,
    session_id uuid REFERENCES auth.sessions ON DELETE CASCADE
);
CREATE TABLE auth.mfa_factors (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    factor_type auth.factor_type NOT NULL
);
CREATE TABLE auth.schema_migrations (version varchar(255) PRIMARY KEY);
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('request.jwt.claims', true), '')::jsonb
$$;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')::uuid
$$;
CREATE FUNCTION auth.role() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT current_setting('request.jwt.claims', true)::jsonb ->> 'role'
$$;
ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.identities ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.refresh_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.mfa_factors ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.schema_migrations ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON auth.schema_migrations FROM postgres, dashboard_user;
GRANT SELECT ON auth.schema_migrations TO postgres WITH GRANT OPTION;
INSERT INTO auth.users (id, role, email, encrypted_password, raw_user_meta_data, confirmed_at, created_at)
SELECT ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, 'authenticated', 'user' || g || '@example.com',
       'sealed ' || g, jsonb_build_object('name', 'User ' || g), '2026-01-01', '2026-01-01'
  FROM generate_series(1, 50) AS g;
INSERT INTO auth.identities (user_id, provider, identity_data)
SELECT id, 'email', jsonb_build_object('email', upper(email)) FROM auth.users;
INSERT INTO auth.sessions SELECT id, id, '192.0.2.1' FROM auth.users LIMIT 10;
INSERT INTO auth.refresh_tokens (token, session_id) SELECT 'token ' || id, id FROM auth.sessions;
INSERT INTO auth.mfa_factors SELECT id, id, 'webauthn' FROM auth.users LIMIT 3;
INSERT INTO auth.schema_migrations VALUES ('20210710035447'), ('20250731150234');
RESET ROLE;

-- Files: what is in the buckets, by name.
CREATE SCHEMA storage;
GRANT USAGE ON SCHEMA storage TO postgres, anon, authenticated, service_role;
GRANT ALL ON SCHEMA storage TO supabase_storage_admin, dashboard_user;
SET ROLE supabase_storage_admin;
CREATE TABLE storage.buckets (
    id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner uuid,
    public boolean DEFAULT false,
    file_size_limit bigint,
    allowed_mime_types text[]
);
CREATE TABLE storage.objects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    bucket_id text REFERENCES storage.buckets,
    name text,
    owner_id text,
    metadata jsonb,
    updated_at timestamptz DEFAULT now(),
    path_tokens text[] GENERATED ALWAYS AS (string_to_array(name, '/')) STORED,
    CONSTRAINT bucket_and_name UNIQUE (bucket_id, name)
);
CREATE INDEX name_prefix_search ON storage.objects (name text_pattern_ops);
CREATE TABLE storage.migrations (id serial PRIMARY KEY, name varchar(100) UNIQUE NOT NULL);
CREATE FUNCTION storage.foldername(name text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE parts text[] := string_to_array(name, '/');
BEGIN
    RETURN parts[1:cardinality(parts) - 1];
END $$;
CREATE FUNCTION storage.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at = now();
    RETURN NEW;
END $$;
CREATE TRIGGER update_objects_updated_at BEFORE UPDATE ON storage.objects FOR EACH ROW EXECUTE FUNCTION storage.touch();
ALTER TABLE storage.buckets ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.objects ENABLE ROW LEVEL SECURITY;
ALTER TABLE storage.migrations ENABLE ROW LEVEL SECURITY;
GRANT ALL ON storage.buckets, storage.objects TO anon, authenticated, service_role, postgres WITH GRANT OPTION;
INSERT INTO storage.buckets (id, name, public, allowed_mime_types) VALUES ('avatars', 'avatars', true, '{image/png}');
INSERT INTO storage.objects (bucket_id, name, owner_id, metadata, updated_at)
SELECT 'avatars', g || '/face.png', g::text, '{"size": 1}', '2026-01-01' FROM generate_series(1, 20) AS g;
INSERT INTO storage.migrations (name) VALUES ('create-migrations-table'), ('initialmigration');
RESET ROLE;
-- The application decides who sees which file.
CREATE POLICY "own folder" ON storage.objects FOR SELECT TO authenticated
    USING (bucket_id = 'avatars' AND (storage.foldername(name))[1] = (SELECT right(auth.uid()::text, 1)));

-- Who listens, and messages on their way.
CREATE SCHEMA realtime;
GRANT USAGE ON SCHEMA realtime TO postgres, anon, authenticated, service_role;
GRANT ALL ON SCHEMA realtime TO supabase_realtime_admin;
SET ROLE supabase_realtime_admin;
CREATE TYPE realtime.equality_op AS ENUM ('eq', 'neq', 'lt');
CREATE TYPE realtime.user_defined_filter AS (column_name text, op realtime.equality_op, value text);
CREATE TABLE realtime.schema_migrations (version bigint PRIMARY KEY, inserted_at timestamp(0));
CREATE TABLE realtime.subscription (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription_id uuid NOT NULL,
    entity regclass NOT NULL,
    filters realtime.user_defined_filter[] NOT NULL DEFAULT '{}',
    claims jsonb NOT NULL
);
CREATE TABLE realtime.messages (
    topic text NOT NULL,
    extension text NOT NULL,
    payload jsonb,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    inserted_at timestamp NOT NULL DEFAULT now(),
    PRIMARY KEY (id, inserted_at)
) PARTITION BY RANGE (inserted_at);
CREATE TABLE realtime.messages_2026_11_25 PARTITION OF realtime.messages FOR VALUES FROM ('2026-11-25') TO ('2026-11-26');
CREATE TABLE realtime.messages_2026_11_26 PARTITION OF realtime.messages FOR VALUES FROM ('2026-11-26') TO ('2026-11-27');
CREATE INDEX messages_topic ON realtime.messages (topic, inserted_at DESC);
CREATE FUNCTION realtime.topic() RETURNS text LANGUAGE sql STABLE AS $$ SELECT nullif(current_setting('realtime.topic', true), '') $$;
CREATE FUNCTION realtime.send(payload jsonb, event text, topic text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO realtime.messages (payload, topic, extension) VALUES (payload, topic, 'broadcast');
EXCEPTION WHEN others THEN
    RAISE WARNING 'not sent: %', SQLERRM;
END $$;
ALTER TABLE realtime.messages ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON realtime.messages TO postgres, anon, authenticated, service_role;
GRANT SELECT ON realtime.subscription TO postgres;
INSERT INTO realtime.messages (topic, extension, inserted_at) VALUES ('room', 'broadcast', '2026-11-25 12:00');
INSERT INTO realtime.subscription (subscription_id, entity, claims) VALUES (gen_random_uuid(), 'auth.users', '{}');
INSERT INTO realtime.schema_migrations VALUES (20211116024918);
CREATE POLICY "members hear" ON realtime.messages FOR SELECT TO authenticated USING (realtime.topic() = 'room');
RESET ROLE;
CREATE PUBLICATION supabase_realtime_messages_publication FOR TABLE realtime.messages;

-- Webhooks: a trigger of the application calls http_request, which takes extension pg_net.
CREATE SCHEMA supabase_functions;
GRANT USAGE ON SCHEMA supabase_functions TO postgres, anon, authenticated, service_role;
GRANT ALL ON SCHEMA supabase_functions TO supabase_functions_admin;
SET ROLE supabase_functions_admin;
CREATE TABLE supabase_functions.hooks (id bigserial PRIMARY KEY, hook_table_id int NOT NULL, request_id bigint);
CREATE TABLE supabase_functions.migrations (version text PRIMARY KEY);
CREATE FUNCTION supabase_functions.http_request() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO supabase_functions.hooks (hook_table_id, request_id)
    SELECT TG_RELID, net.http_post(TG_ARGV[0], to_jsonb(NEW));
    RETURN NEW;
END $$;
GRANT ALL ON ALL TABLES IN SCHEMA supabase_functions TO postgres, anon, authenticated, service_role;
GRANT ALL ON ALL SEQUENCES IN SCHEMA supabase_functions TO postgres, anon, authenticated, service_role;
INSERT INTO supabase_functions.hooks (hook_table_id, request_id) VALUES (1, 1), (1, 2);
INSERT INTO supabase_functions.migrations VALUES ('initial');
RESET ROLE;

-- What takes the platform's superuser, or a key that only its server has.
CREATE SCHEMA pgbouncer AUTHORIZATION pgbouncer;
CREATE FUNCTION pgbouncer.get_auth(name text) RETURNS TABLE (username text, password text) LANGUAGE sql SECURITY DEFINER AS $$
    SELECT usename::text, passwd FROM pg_catalog.pg_shadow WHERE usename = name
$$;
CREATE SCHEMA graphql_public;
CREATE FUNCTION graphql_public.graphql(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN graphql.resolve(query);
END $$;
GRANT USAGE ON SCHEMA graphql_public TO postgres, anon, authenticated, service_role;

-- Default privileges, of the platform and of the owner, in the application's schema.
GRANT USAGE ON SCHEMA public TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA public GRANT ALL ON TABLES TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA public GRANT ALL ON FUNCTIONS TO postgres, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON TABLES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON SEQUENCES TO anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON FUNCTIONS TO anon, authenticated, service_role;

-- The application, by its owner.
SET ROLE postgres;
CREATE TABLE public.profiles (
    id uuid PRIMARY KEY REFERENCES auth.users ON DELETE CASCADE,
    name text,
    avatar text
);
ALTER TABLE public.profiles ENABLE ROW LEVEL SECURITY;
CREATE POLICY "everyone sees profiles" ON public.profiles FOR SELECT USING (true);
CREATE POLICY "own profile" ON public.profiles FOR UPDATE TO authenticated
    USING ((SELECT auth.uid()) = id) WITH CHECK ((SELECT auth.uid()) = id);
INSERT INTO public.profiles SELECT id, raw_user_meta_data ->> 'name' FROM auth.users;
CREATE FUNCTION public.handle_new_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    INSERT INTO public.profiles (id, name) VALUES (NEW.id, NEW.raw_user_meta_data ->> 'name');
    RETURN NEW;
END $$;
CREATE TRIGGER on_auth_user_created AFTER INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION public.handle_new_user();
CREATE TYPE public.state AS ENUM ('open', 'done');
CREATE TABLE public.todos (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    owner uuid NOT NULL DEFAULT auth.uid() REFERENCES auth.users,
    key uuid DEFAULT extensions.uuid_generate_v4(),
    state public.state NOT NULL DEFAULT 'open',
    text text CHECK (length(text) < 1000)
);
CREATE INDEX ON public.todos (owner);
ALTER TABLE public.todos ENABLE ROW LEVEL SECURITY;
CREATE POLICY "own todos" ON public.todos TO authenticated USING (auth.uid() = owner) WITH CHECK (auth.uid() = owner);
CREATE POLICY "hooks see all" ON public.todos FOR SELECT TO supabase_auth_admin USING (true);
INSERT INTO public.todos (owner, text) SELECT u.id, 'todo ' || g FROM auth.users AS u, generate_series(1, 4) AS g;
CREATE FUNCTION public.announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM realtime.send(to_jsonb(NEW), TG_OP, 'room');
    RETURN NULL;
END $$;
CREATE TRIGGER announce AFTER INSERT ON public.todos FOR EACH ROW EXECUTE FUNCTION public.announce();
CREATE VIEW public.open_todos WITH (security_invoker = true) AS SELECT * FROM public.todos WHERE state = 'open';
CREATE FUNCTION public.access_token_hook(event jsonb) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_set(event, '{claims,todos}', to_jsonb((SELECT count(*) FROM public.todos)));
END $$;
REVOKE EXECUTE ON FUNCTION public.access_token_hook FROM authenticated, anon, public;
GRANT EXECUTE ON FUNCTION public.access_token_hook TO supabase_auth_admin;
GRANT USAGE ON SCHEMA public TO supabase_auth_admin;
CREATE SCHEMA app;
CREATE TABLE app.settings (name text PRIMARY KEY, value jsonb);
INSERT INTO app.settings VALUES ('limits', '{"todos": 100}');
CREATE MATERIALIZED VIEW app.by_owner AS SELECT owner, count(*) AS todos FROM public.todos GROUP BY owner;
GRANT USAGE ON SCHEMA app TO service_role;
GRANT SELECT ON app.by_owner TO service_role;
CREATE SCHEMA supabase_migrations;
CREATE TABLE supabase_migrations.schema_migrations (version text PRIMARY KEY, statements text[], name text);
INSERT INTO supabase_migrations.schema_migrations VALUES ('20260101000000', '{SELECT 1}', 'init');
CREATE TRIGGER tell_the_world AFTER INSERT ON public.todos FOR EACH ROW
    EXECUTE FUNCTION supabase_functions.http_request('https://example.com/hook', 'POST', '{"Authorization": "canary"}');
CREATE PUBLICATION supabase_realtime FOR TABLE public.todos;
RESET ROLE;
