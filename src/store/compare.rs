//! Rows held against what they should be, value by value, by the store's own types and its own notion of what is equal.

use super::error::StoreError;
use super::session::{Cell, Kind, Session};
use super::statement::{Filled, filled, literal, unnest_sql};
use super::table_name::{quote, quote_table};
use crate::rows::{Batch, ColumnType, Table};

/// A row that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which of the batch it is.
    pub row: usize,
    /// What differs; `None` where no row of that key is there.
    pub columns: Option<Vec<Changed>>,
}

/// A value that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its column.
    pub column: String,
    /// What it should be, as the store writes it, cut off where it is long; `None` is NULL.
    pub wanted: Option<String>,
    /// What it is.
    pub found: Option<String>,
}

/// What rows are held against.
#[derive(Debug, Clone, Copy)]
pub struct Against<'a> {
    /// The table or view.
    pub relation: &'a str,
    /// What names its rows; none of it is NULL there.
    pub key: &'a [&'a str],
    /// Which columns are compared, of those of the batch's table; `None` for all.
    pub columns: Option<&'a [String]>,
}

/// How many characters of a value are told.
const SHOWN: usize = 100;

impl Session {
    /// Which rows of a batch are not in a relation as they are in the batch. Columns that the store fills in by itself are
    /// not looked at in rows whose record says nothing of them.
    ///
    /// # Errors
    /// When the store cannot be asked, or does not have the relation or a column.
    pub async fn differences(
        &self,
        table: &Table,
        batch: &Batch,
        against: Against<'_>,
    ) -> Result<Vec<Difference>, StoreError> {
        if batch.rows == 0 {
            return Ok(Vec::new());
        }
        let (columns, mut parameters) = filled(table, batch);
        let numbers = (0..batch.rows).map(|row| row.to_string()).collect::<Vec<_>>().join(",");
        let numbers = format!("{{{numbers}}}");
        parameters.insert(0, &numbers);
        let is_compared = |column: &Filled<'_>| {
            let wanted = against.columns.is_none_or(|columns| columns.iter().any(|wanted| wanted == column.name));
            wanted && !against.key.contains(&column.name)
        };
        let compared: Vec<_> = columns.iter().enumerate().filter(|(_, column)| is_compared(column)).collect();
        let sql = compare_sql(self.kind(), &columns, &compared, against);
        let found = self.query(&sql, &parameters).await?;
        let difference = |row: &tokio_postgres::Row| {
            let number = row.get::<_, Option<&str>>(0)?.parse().ok()?;
            let changed = |(at, (_, column)): (usize, &(usize, &Filled<'_>))| {
                let cell = |offset: usize| row.get::<_, Option<&str>>(2 + 3 * at + offset);
                let changed = || Changed {
                    column: column.name.to_owned(),
                    wanted: cell(1).map(str::to_owned),
                    found: cell(2).map(str::to_owned),
                };
                cell(0).map(|_| changed())
            };
            let columns = row.get::<_, Option<&str>>(1);
            let columns = columns.map(|_| compared.iter().enumerate().filter_map(changed).collect());
            Some(Difference { row: number, columns })
        };
        Ok(found.iter().filter_map(difference).collect())
    }
}

impl Session {
    /// The names of a relation's columns.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such relation.
    pub async fn columns_of(&self, relation: &str) -> Result<Vec<String>, StoreError> {
        let (columns, _) = self.query_text(&format!("SELECT * FROM {} LIMIT 0", quote_table(relation))).await?;
        Ok(columns)
    }

    /// How many rows a relation has.
    ///
    /// # Errors
    /// When the store cannot be asked, or has no such relation.
    pub async fn count_of(&self, relation: &str) -> Result<i64, StoreError> {
        self.query_number(&format!("SELECT count(*) FROM {}", quote_table(relation))).await
    }

    /// Columns of the rows that have one of these keys, whose columns are told with what their values are cast to.
    ///
    /// # Errors
    /// When the store cannot be asked, or does not have the relation or a column.
    pub async fn rows_with_keys(
        &self,
        relation: &str,
        columns: &[&str],
        key: &[(&str, &str)],
        values: &[Vec<String>],
    ) -> Result<Vec<Vec<Cell>>, StoreError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let columns: Vec<_> = columns.iter().map(|column| quote(column)).collect();
        let one = |values: &Vec<String>| {
            let equal = |((column, cast), value): (&(&str, &str), &String)| {
                format!("{} = {}::{cast}", quote(column), literal(value))
            };
            format!("({})", key.iter().zip(values).map(equal).collect::<Vec<_>>().join(" AND "))
        };
        let any = values.iter().map(one).collect::<Vec<_>>().join(" OR ");
        let sql = format!("SELECT {} FROM {} WHERE {any}", columns.join(", "), quote_table(relation));
        Ok(self.query_text(&sql).await?.1)
    }
}

/// The rows as they should be, on the left, meet those that are there.
fn compare_sql(kind: Kind, columns: &[Filled<'_>], compared: &[(usize, &Filled<'_>)], against: Against<'_>) -> String {
    let mut unnested = vec![format!("{} AS n", unnest_sql(kind, 1, "int"))];
    let mut values = vec!["n".to_owned()];
    for (at, Filled { cast, list, default, .. }) in columns.iter().enumerate() {
        let number = unnested.len() + 1;
        unnested.push(format!("{} AS c{at}", unnest_sql(kind, number, if *list { "varchar" } else { cast })));
        values.push(if *list { format!("c{at}::{cast}[] AS c{at}") } else { format!("c{at}") });
        if default.is_some() {
            unnested.push(format!("{} AS d{at}", unnest_sql(kind, number + 1, "boolean")));
            values.push(format!("d{at}"));
        }
    }
    let mut output = vec!["g.n::varchar".to_owned(), format!("CASE WHEN {} THEN 't' END", is_there(against))];
    let mut differing = vec![format!("NOT {}", is_there(against))];
    for (at, column) in compared {
        let name = quote(column.name);
        // PostgreSQL knows no equality of texts of JSON.
        let cast = if column.cast == ColumnType::Json.sql() { "::jsonb" } else { "" };
        let given = column.default.map(|_| format!("g.d{at} AND ")).unwrap_or_default();
        let differs = format!("({given}t.{name}{cast} IS DISTINCT FROM g.c{at}{cast})");
        output.push(format!("CASE WHEN {} AND {differs} THEN 't' END", is_there(against)));
        output.push(format!("substr(g.c{at}::varchar, 1, {SHOWN})"));
        output.push(format!("substr(t.{name}::varchar, 1, {SHOWN})"));
        differing.push(differs);
    }
    let on = against.key.iter().filter_map(|key| {
        let at = columns.iter().position(|column| column.name == *key)?;
        Some(format!("t.{} = g.c{at}", quote(key)))
    });
    format!(
        "SELECT {} FROM (SELECT {} FROM (SELECT {}) AS given) AS g LEFT JOIN {} AS t ON {} WHERE {}",
        output.join(", "),
        values.join(", "),
        unnested.join(", "),
        quote_table(against.relation),
        on.collect::<Vec<_>>().join(" AND "),
        differing.join(" OR ")
    )
}

fn is_there(against: Against<'_>) -> String {
    format!("(t.{} IS NOT NULL)", quote(against.key.first().copied().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_is_held_against_its_own() {
        let columns = [
            Filled::plain("id", "int"),
            Filled::plain("doc", "json"),
            Filled { list: true, ..Filled::plain("tags", "varchar") },
            Filled { default: Some("now()"), ..Filled::plain("at", "timestamp") },
        ];
        let compared: Vec<_> = columns.iter().enumerate().skip(1).collect();
        let against = Against { relation: "s.t", key: &["id"], columns: None };
        let there = "(t.\"id\" IS NOT NULL)";
        let sql = compare_sql(Kind::RisingWave, &columns, &compared, against);
        for part in [
            "unnest($1::varchar::int[]) AS n, unnest($2::varchar::int[]) AS c0, unnest($3::varchar::json[]) AS c1, \
             unnest($4::varchar::varchar[]) AS c2, unnest($5::varchar::timestamp[]) AS c3, unnest($6::varchar::boolean[]) AS d3",
            "SELECT n, c0, c1, c2::varchar[] AS c2, c3, d3 FROM (",
            "LEFT JOIN \"s\".\"t\" AS t ON t.\"id\" = g.c0 WHERE",
            &format!(
                "WHERE NOT {there} OR (t.\"doc\"::jsonb IS DISTINCT FROM g.c1::jsonb) OR (t.\"tags\" IS DISTINCT FROM g.c2) \
                 OR (g.d3 AND t.\"at\" IS DISTINCT FROM g.c3)"
            ),
        ] {
            assert!(sql.contains(part), "{sql}\nlacks\n{part}");
        }
    }
}
