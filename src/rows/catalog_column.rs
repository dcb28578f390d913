/// One column as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatalogColumn {
    /// Its name.
    pub name: String,
    /// Its type as the catalog prints it, a domain's that of its base; with `[]` behind it for an array.
    pub data_type: String,
    /// What its values, or an array's elements, are cast to, where that is not the type's own name: an enum.
    pub cast: Option<String>,
    /// Whether the catalog knows it to be NOT NULL.
    pub not_null: bool,
    /// What the store fills in where an INSERT leaves it out, as an expression.
    pub default: Option<String>,
    /// Whether the store alone fills it: generated, or an identity.
    pub generated: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// How many digits a `numeric` keeps that says nothing of them, if not all.
    pub numeric_digits: Option<i64>,
}

impl CatalogColumn {
    /// One of that name and type, of which nothing else is said.
    pub fn new(name: &str, data_type: &str) -> Self {
        CatalogColumn { name: name.to_owned(), data_type: data_type.to_owned(), ..CatalogColumn::default() }
    }
}
