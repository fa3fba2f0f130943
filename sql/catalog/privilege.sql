-- Privileges that differ from what a freshly made object has: a row for each that it has and a fresh one has not (side
-- 'is') and for each that only the fresh one has (side 'was'): acldefault(), or what initdb or an extension set (pg_init_privs). Schema public
-- always comes, since what it starts with depends on the destination's version; the database only if it differs.
WITH carriers AS (
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid AS class, c.oid AS object, 0 AS sub, c.relowner AS owner,
        c.relacl AS acl,
        pg_catalog.acldefault(CASE WHEN c.relkind = 'S' THEN 's'::pg_catalog."char" ELSE 'r'::pg_catalog."char" END, c.relowner) AS fresh,
        CASE WHEN c.relkind = 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END
            || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS subject,
        NULL::pg_catalog.text AS column_name
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname::pg_catalog.text !~ '^pg_(temp|toast)' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum, c.relowner, a.attacl,
        pg_catalog.acldefault('c'::pg_catalog."char", c.relowner),
        'TABLE ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), a.attname::pg_catalog.text
    FROM pg_catalog.pg_attribute AS a
    JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT a.attisdropped
      AND (a.attacl IS NOT NULL OR EXISTS (
          SELECT 1 FROM pg_catalog.pg_init_privs AS i
          WHERE i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.objoid = c.oid AND i.objsubid = a.attnum))
    UNION ALL
    SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0, p.proowner, p.proacl,
        pg_catalog.acldefault('f'::pg_catalog."char", p.proowner),
        CASE WHEN p.prokind = 'p' THEN 'PROCEDURE ' ELSE 'FUNCTION ' END
            || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname)
            || '(' || CASE WHEN p.prokind = 'a' THEN pg_catalog.oidvectortypes(p.proargtypes)
                      ELSE pg_catalog.pg_get_function_identity_arguments(p.oid) END || ')', NULL
    FROM pg_catalog.pg_proc AS p
    JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
    WHERE p.proacl IS NOT NULL OR EXISTS (
        SELECT 1 FROM pg_catalog.pg_init_privs AS i
        WHERE i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objoid = p.oid)
    UNION ALL
    SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, 0, t.typowner, t.typacl,
        pg_catalog.acldefault('T'::pg_catalog."char", t.typowner),
        'TYPE ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname), NULL
    FROM pg_catalog.pg_type AS t
    JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
    UNION ALL
    SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, 0, n.nspowner, n.nspacl,
        pg_catalog.acldefault('n'::pg_catalog."char", n.nspowner), 
        -- Known by this very text, even where all identifiers are quoted.
        CASE WHEN n.nspname = 'public' THEN 'SCHEMA public' ELSE 'SCHEMA ' || pg_catalog.quote_ident(n.nspname) END, NULL
    FROM pg_catalog.pg_namespace AS n
    WHERE n.nspname::pg_catalog.text !~ '^pg_(temp|toast)' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'pg_catalog.pg_language'::pg_catalog.regclass, l.oid, 0, l.lanowner, l.lanacl,
        pg_catalog.acldefault('l'::pg_catalog."char", l.lanowner), 'LANGUAGE ' || pg_catalog.quote_ident(l.lanname), NULL
    FROM pg_catalog.pg_language AS l
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_data_wrapper'::pg_catalog.regclass, w.oid, 0, w.fdwowner, w.fdwacl,
        pg_catalog.acldefault('F'::pg_catalog."char", w.fdwowner), 'FOREIGN DATA WRAPPER ' || pg_catalog.quote_ident(w.fdwname), NULL
    FROM pg_catalog.pg_foreign_data_wrapper AS w
    UNION ALL
    SELECT 'pg_catalog.pg_foreign_server'::pg_catalog.regclass, s.oid, 0, s.srvowner, s.srvacl,
        pg_catalog.acldefault('S'::pg_catalog."char", s.srvowner), 'FOREIGN SERVER ' || pg_catalog.quote_ident(s.srvname), NULL
    FROM pg_catalog.pg_foreign_server AS s
    UNION ALL
    SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass, o.oid, 0, o.lomowner, o.lomacl,
        pg_catalog.acldefault('L'::pg_catalog."char", o.lomowner), 'LARGE OBJECT ' || o.oid::pg_catalog.text, NULL
    FROM pg_catalog.pg_largeobject_metadata AS o
    UNION ALL
    SELECT 'pg_catalog.pg_database'::pg_catalog.regclass, d.oid, 0, d.datdba, d.datacl,
        pg_catalog.acldefault('d'::pg_catalog."char", d.datdba), 'DATABASE ' || pg_catalog.quote_ident(d.datname), NULL
    FROM pg_catalog.pg_database AS d
    WHERE d.datname = pg_catalog.current_database()
), differing AS MATERIALIZED (
    SELECT x.class, x.object, x.sub, x.owner, x.subject, x.column_name,
        -- How many privileges an object of this kind has in this version: all of them together are called ALL.
        CASE WHEN x.sub <> 0 THEN 4
             ELSE (SELECT pg_catalog.count(*)::pg_catalog.int4 FROM pg_catalog.aclexplode(x.fresh) AS w WHERE w.grantee = x.owner)
        END AS kinds,
        COALESCE(x.acl, x.fresh) AS now_acl, COALESCE(i.initprivs, x.fresh) AS was_acl,
        -- Nothing of it is taken as equal.
        x.subject = 'SCHEMA public' AS whole
    FROM carriers AS x
    LEFT JOIN pg_catalog.pg_init_privs AS i
        ON i.classoid = x.class AND i.objoid = x.object AND i.objsubid = x.sub
    WHERE (x.acl IS NOT NULL OR i.initprivs IS NOT NULL OR x.subject = 'SCHEMA public')
      AND (COALESCE(x.acl, x.fresh) <> COALESCE(i.initprivs, x.fresh) OR x.subject = 'SCHEMA public')
)
SELECT
    x.class, x.object, x.sub, x.subject, x.column_name,
    pg_catalog.pg_get_userbyid(x.owner)::pg_catalog.text AS owner,
    x.kinds,
    e.side,
    e.grantor = x.owner AS by_owner,
    gr.rolname::pg_catalog.text AS grantor,
    e.grantee = 0 AS everyone,
    ge.rolname::pg_catalog.text AS grantee,
    e.grantee::pg_catalog.text AS grantee_oid,
    e.privilege_type AS privilege,
    e.is_grantable AS grantable
FROM differing AS x
CROSS JOIN LATERAL (
    SELECT 'is' AS side, u.position AS item, n.*
    FROM pg_catalog.unnest(x.now_acl) WITH ORDINALITY AS u (item, position)
    CROSS JOIN LATERAL pg_catalog.aclexplode(ARRAY[u.item]) WITH ORDINALITY AS n
    WHERE x.whole OR NOT u.item = ANY (x.was_acl)
    UNION ALL
    SELECT 'was', u.position, w.*
    FROM pg_catalog.unnest(x.was_acl) WITH ORDINALITY AS u (item, position)
    CROSS JOIN LATERAL pg_catalog.aclexplode(ARRAY[u.item]) WITH ORDINALITY AS w
    WHERE x.whole OR NOT u.item = ANY (x.now_acl)) AS e
LEFT JOIN pg_catalog.pg_roles AS gr ON gr.oid = e.grantor
LEFT JOIN pg_catalog.pg_roles AS ge ON ge.oid = e.grantee
ORDER BY x.class, x.object, x.sub, e.side, e.item, e.ordinality;
