-- The columns of the table with that oid: what each holds in the end, and who fills it.
WITH RECURSIVE step (number, type, modifier, list, not_null, fallback) AS (
    SELECT a.attnum, a.atttypid, a.atttypmod, false, a.attnotnull, NULL::text COLLATE "C"
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = $1::varchar::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT
        s.number,
        CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
        CASE WHEN t.typtype = 'd' AND s.modifier < 0 THEN t.typtypmod ELSE s.modifier END,
        s.list OR t.typtype <> 'd',
        s.not_null OR (t.typtype = 'd' AND t.typnotnull AND NOT s.list),
        (CASE WHEN t.typtype = 'd' AND NOT s.list THEN coalesce(s.fallback, t.typdefault) ELSE s.fallback END) COLLATE "C"
    FROM step s JOIN pg_catalog.pg_type t ON t.oid = s.type
    WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0 AND NOT s.list)
)
SELECT
    a.attname::varchar,
    (pg_catalog.format_type(t.oid, s.modifier) || CASE WHEN s.list THEN '[]' ELSE '' END)::varchar,
    CASE
        WHEN t.typtype = 'e' THEN pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
    END::varchar,
    s.not_null,
    CASE WHEN a.attgenerated = '' THEN coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), s.fallback) END::varchar,
    a.attgenerated <> '' OR a.attidentity <> '',
    pg_catalog.col_description(a.attrelid, a.attnum)::varchar,
    coalesce(a.attnum = ANY (i.indkey), false)
FROM step s
JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::varchar::bigint::oid AND a.attnum = s.number
JOIN pg_catalog.pg_type t ON t.oid = s.type
JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
WHERE t.typtype <> 'd' AND NOT (t.typcategory = 'A' AND t.typelem <> 0 AND NOT s.list)
ORDER BY a.attnum
