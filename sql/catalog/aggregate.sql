-- Aggregates of the user, with every option of CREATE AGGREGATE.
SELECT
    p.oid,
    n.nspname::pg_catalog.text AS schema,
    p.proname::pg_catalog.text AS name,
    pg_catalog.pg_get_function_arguments(p.oid) AS arguments,
    pg_catalog.pg_get_function_identity_arguments(p.oid) AS identity_arguments,
    a.aggkind AS kind,
    p.proparallel AS parallel,
    a.aggtransfn::pg_catalog.text AS transition,
    pg_catalog.format_type(a.aggtranstype, NULL) AS state_type,
    a.aggtransspace AS state_space,
    a.agginitval AS initial,
    NULLIF(a.aggfinalfn::pg_catalog.text, '-') AS final,
    a.aggfinalextra AS final_extra,
    a.aggfinalmodify AS final_modify,
    NULLIF(a.aggcombinefn::pg_catalog.text, '-') AS combine,
    NULLIF(a.aggserialfn::pg_catalog.text, '-') AS serialize,
    NULLIF(a.aggdeserialfn::pg_catalog.text, '-') AS deserialize,
    NULLIF(a.aggmtransfn::pg_catalog.text, '-') AS moving_transition,
    NULLIF(a.aggminvtransfn::pg_catalog.text, '-') AS moving_inverse,
    CASE WHEN a.aggmtranstype <> 0 THEN pg_catalog.format_type(a.aggmtranstype, NULL) END AS moving_state_type,
    a.aggmtransspace AS moving_state_space,
    a.aggminitval AS moving_initial,
    NULLIF(a.aggmfinalfn::pg_catalog.text, '-') AS moving_final,
    a.aggmfinalextra AS moving_final_extra,
    a.aggmfinalmodify AS moving_final_modify,
    CASE WHEN o.oid IS NOT NULL
         THEN pg_catalog.quote_ident(onsp.nspname) || '.' || o.oprname::pg_catalog.text END AS sort_operator
FROM pg_catalog.pg_aggregate AS a
JOIN pg_catalog.pg_proc AS p ON p.oid = a.aggfnoid
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_operator AS o ON o.oid = a.aggsortop
LEFT JOIN pg_catalog.pg_namespace AS onsp ON onsp.oid = o.oprnamespace
WHERE n.nspname::pg_catalog.text !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT 1 FROM pg_catalog.pg_depend AS d
      WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY n.nspname, p.proname, p.oid;
