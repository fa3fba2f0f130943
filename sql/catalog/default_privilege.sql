-- ALTER DEFAULT PRIVILEGES of this database, a row for each privilege on either side: 'was', what objects to come would
-- be given without it (nothing for those of one schema, which only add), and 'is'. Items that both have are left out.
WITH defaults AS (
    SELECT d.oid, d.defaclrole AS role, d.defaclnamespace AS schema, d.defaclobjtype AS objects, d.defaclacl AS now_acl,
        pg_catalog.acldefault(
            CASE WHEN d.defaclobjtype OPERATOR(pg_catalog.=) 'S' THEN 's'::pg_catalog."char" ELSE d.defaclobjtype END,
            d.defaclrole) AS fresh
    FROM pg_catalog.pg_default_acl AS d
    WHERE NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS e
         WHERE e.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_default_acl'::pg_catalog.regclass
           AND e.objid OPERATOR(pg_catalog.=) d.oid AND e.deptype OPERATOR(pg_catalog.=) 'e')
), compared AS (
    SELECT d.*, CASE WHEN d.schema OPERATOR(pg_catalog.=) 0 THEN d.fresh ELSE '{}'::pg_catalog.aclitem[] END AS was_acl
    FROM defaults AS d
)
SELECT
    x.oid,
    pg_catalog.pg_get_userbyid(x.role)::pg_catalog.text AS role,
    n.oid AS schema_oid,
    n.nspname::pg_catalog.text AS schema,
    x.objects,
    (SELECT pg_catalog.count(*)::pg_catalog.int4 FROM pg_catalog.aclexplode(x.fresh) AS w
      WHERE w.grantee OPERATOR(pg_catalog.=) x.role) AS kinds,
    e.side,
    e.grantor OPERATOR(pg_catalog.=) x.role AS by_owner,
    gr.rolname::pg_catalog.text AS grantor,
    e.grantee OPERATOR(pg_catalog.=) 0 AS everyone,
    ge.rolname::pg_catalog.text AS grantee,
    e.grantee::pg_catalog.text AS grantee_oid,
    e.privilege_type AS privilege,
    e.is_grantable AS grantable
FROM compared AS x
LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) x.schema
CROSS JOIN LATERAL (
    SELECT 'is' AS side, u.position AS item, g.*
    FROM pg_catalog.unnest(x.now_acl) WITH ORDINALITY AS u (item, position)
    CROSS JOIN LATERAL pg_catalog.aclexplode(ARRAY[u.item]) WITH ORDINALITY AS g
    WHERE NOT u.item OPERATOR(pg_catalog.=) ANY (x.was_acl)
    UNION ALL
    SELECT 'was', u.position, g.*
    FROM pg_catalog.unnest(x.was_acl) WITH ORDINALITY AS u (item, position)
    CROSS JOIN LATERAL pg_catalog.aclexplode(ARRAY[u.item]) WITH ORDINALITY AS g
    WHERE NOT u.item OPERATOR(pg_catalog.=) ANY (x.now_acl)) AS e
LEFT JOIN pg_catalog.pg_roles AS gr ON gr.oid OPERATOR(pg_catalog.=) e.grantor
LEFT JOIN pg_catalog.pg_roles AS ge ON ge.oid OPERATOR(pg_catalog.=) e.grantee
ORDER BY x.oid, e.side, e.item, e.ordinality;
