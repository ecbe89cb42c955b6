//! The public surface of each library, so that a review sees every change of it.
//!
//! The listing is made from the sources alone, with any toolchain. It relies on the lint
//! `unreachable_pub`: what is `pub` can be reached from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use syn::punctuated::Punctuated;
use syn::{Attribute, Field, Fields, ImplItem, Item, Type, Visibility, parse_quote};

use crate::sources::root;

/// The library crates, by their folders. Each has its listing in this file.
const CRATES: [&str; 4] = [
    "core",
    "adapters/std",
    "adapters/smoltcp",
    "adapters/smoltcp/devices",
];
const LISTING: &str = "public-api.txt";

/// The variable that makes the test write the listings.
const UPDATE: &str = "LINECHO_UPDATE";
const COMMAND: &str = "LINECHO_UPDATE=1 cargo test -p linecho-tests --test house surface";

/// The attributes that are part of the surface beside an item's signature.
const KEPT_ATTRIBUTES: [&str; 7] = [
    "cfg",
    "cfg_attr",
    "derive",
    "deprecated",
    "must_use",
    "non_exhaustive",
    "repr",
];

#[test]
fn the_public_surface_is_the_one_that_was_reviewed() {
    let mut differences = String::new();
    for folder in CRATES {
        let path = root().join(folder).join(LISTING);
        let listed = fs::read_to_string(&path).unwrap_or_default();
        let found = listing(&root().join(folder));
        if env::var_os(UPDATE).is_some() {
            fs::write(&path, found).unwrap();
        } else if listed != found {
            differences += &format!("{folder}/{LISTING}:\n{}", difference(&listed, &found));
        }
    }
    assert!(
        differences.is_empty(),
        "the public surface has changed. If it is meant to, run\n\n    {COMMAND}\n\n{differences}"
    );
}

#[test]
fn a_listing_shows_what_can_be_used_and_nothing_else() {
    let source = "
        //! A crate.
        mod private { pub struct Kept { pub a: u8, b: u8 } struct Hidden; impl Clone for Hidden {} }
        pub use private::Kept;
        /// Said of a function.
        #[must_use] #[inline] pub fn f(n: usize) -> usize { n + 1 }
        pub(crate) fn g() {}
        impl Kept { pub const fn new() -> Self { Self { a: 1, b: 2 } } fn own(&self) {} }
        impl From<u8> for Kept { fn from(a: u8) -> Self { Self { a, b: 0 } } }
        #[cfg(test)] mod tests { pub fn h() {} }
        pub mod public { pub enum E { A, B(u8) } }
    ";
    let mut surface = Surface::default();
    let file = syn::parse_file(source).unwrap();
    surface.take_items(file.items, "crate", Path::new(""));
    let expected = "\
// crate

#[must_use]
pub fn f(n: usize) -> usize {}
impl From<u8> for Kept {}
impl Kept {
    pub const fn new() -> Self {}
}
pub struct Kept {
    pub a: u8,
    private_fields: _,
}
pub use private::Kept;

// crate::public

pub enum E {
    A,
    B(u8),
}
";
    assert_eq!(surface.text(), expected);
}

/// Lists what is `pub` in the crate in `folder`.
fn listing(folder: &Path) -> String {
    let mut surface = Surface::default();
    surface.take_file(&folder.join("src/lib.rs"), "crate", &folder.join("src"));
    format!("// Written by: {COMMAND}\n\n{}", surface.text())
}

/// The public items of a crate, by the module that they can be reached in.
#[derive(Default)]
struct Surface {
    modules: BTreeMap<String, Vec<Item>>,
    /// The names of all types and traits, and of those that are public.
    names: BTreeSet<String>,
    public: BTreeSet<String>,
}

impl Surface {
    /// Takes the items of a file. Those of its submodules are in `folder`.
    fn take_file(&mut self, file: &Path, module: &str, folder: &Path) {
        let text = fs::read_to_string(file).unwrap();
        let file = syn::parse_file(&text).unwrap();
        self.take_items(file.items, module, folder);
    }

    fn take_items(&mut self, items: Vec<Item>, module: &str, folder: &Path) {
        for mut item in items {
            if is_for_tests(attributes(&mut item)) {
                continue;
            }
            attributes(&mut item).retain(is_kept);
            self.take(item, module, folder);
        }
    }

    fn take(&mut self, item: Item, module: &str, folder: &Path) {
        let item = match item {
            Item::Mod(inner) => return self.take_module(inner, module, folder),
            Item::Impl(mut block) => {
                let of_trait = block.trait_.is_some();
                block.items.retain_mut(|item| is_listed(item, of_trait));
                Item::Impl(block)
            }
            mut item => {
                let Some((visibility, name)) = head(&item) else {
                    return;
                };
                let is_public = matches!(visibility, Visibility::Public(_));
                self.names.extend(name.clone());
                if !is_public {
                    return;
                }
                self.public.extend(name);
                strip(&mut item);
                item
            }
        };
        self.modules.entry(module.into()).or_default().push(item);
    }

    /// Takes the items of a module. Those of a private one are reached in the module around it.
    fn take_module(&mut self, inner: syn::ItemMod, module: &str, folder: &Path) {
        let name = inner.ident.to_string();
        let path = match inner.vis {
            Visibility::Public(_) => format!("{module}::{name}"),
            _ => module.into(),
        };
        let folder = folder.join(&name);
        if let Some((_, items)) = inner.content {
            return self.take_items(items, &path, &folder);
        }
        let candidates = [folder.with_extension("rs"), folder.join("mod.rs")];
        let file: Option<PathBuf> = candidates.into_iter().find(|file| file.exists());
        let file = file.unwrap_or_else(|| panic!("no file for {}", folder.display()));
        self.take_file(&file, &path, &folder);
    }

    /// Prints it, sorted, so that an item that moves within its module changes nothing.
    fn text(mut self) -> String {
        let modules = std::mem::take(&mut self.modules);
        let mut text = String::new();
        for (module, items) in modules {
            let items = items.into_iter().filter(|item| self.shows(item));
            let mut printed: Vec<String> = items.map(print).collect();
            printed.sort();
            let separator = if text.is_empty() { "" } else { "\n" };
            text += &format!("{separator}// {module}\n\n{}", printed.concat());
        }
        text
    }

    /// Returns true if an item can be seen from outside: an implementation can be only if its type
    /// and its trait can, and if it has anything.
    fn shows(&self, item: &Item) -> bool {
        let Item::Impl(block) = item else {
            return true;
        };
        let is_hidden = |name: Option<String>| {
            name.is_some_and(|name| self.names.contains(&name) && !self.public.contains(&name))
        };
        let of_trait = block.trait_.as_ref().map(|(path, _)| path);
        let trait_name = of_trait
            .and_then(|path| path.segments.last())
            .map(|it| it.ident.to_string());
        let has_anything = of_trait.is_some() || !block.items.is_empty();
        has_anything && !is_hidden(type_name(&block.self_ty)) && !is_hidden(trait_name)
    }
}

/// Returns the visibility of an item, and its name if it is a type or a trait.
fn head(item: &Item) -> Option<(&Visibility, Option<String>)> {
    Some(match item {
        Item::Const(item) => (&item.vis, None),
        Item::Enum(item) => (&item.vis, Some(item.ident.to_string())),
        Item::Fn(item) => (&item.vis, None),
        Item::Static(item) => (&item.vis, None),
        Item::Struct(item) => (&item.vis, Some(item.ident.to_string())),
        Item::Trait(item) => (&item.vis, Some(item.ident.to_string())),
        Item::Type(item) => (&item.vis, Some(item.ident.to_string())),
        Item::Use(item) => (&item.vis, None),
        _ => return None,
    })
}

/// Takes out what is not seen from outside: bodies, private fields, documentation.
fn strip(item: &mut Item) {
    match item {
        Item::Fn(item) => item.block.stmts.clear(),
        Item::Struct(item) => strip_fields(&mut item.fields),
        Item::Enum(item) => {
            for variant in &mut item.variants {
                variant.attrs.retain(is_kept);
                for field in &mut variant.fields {
                    field.attrs.retain(is_kept);
                }
            }
        }
        Item::Trait(item) => {
            for item in &mut item.items {
                match item {
                    syn::TraitItem::Fn(function) => {
                        function.attrs.retain(is_kept);
                        if let Some(body) = &mut function.default {
                            body.stmts.clear();
                        }
                    }
                    syn::TraitItem::Const(constant) => constant.attrs.retain(is_kept),
                    syn::TraitItem::Type(associated) => associated.attrs.retain(is_kept),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn strip_fields(fields: &mut Fields) {
    let is_public = |field: &Field| matches!(field.vis, Visibility::Public(_));
    for field in fields.iter_mut() {
        field.attrs.retain(is_kept);
    }
    match fields {
        Fields::Named(named) => {
            let all = named.named.len();
            let mut public: Punctuated<Field, _> = std::mem::take(&mut named.named)
                .into_iter()
                .filter(is_public)
                .collect();
            if public.len() < all {
                let placeholder: syn::ItemStruct = parse_quote!(
                    struct Placeholder {
                        private_fields: _,
                    }
                );
                public.extend(placeholder.fields);
            }
            named.named = public;
        }
        Fields::Unnamed(unnamed) => {
            for field in unnamed.unnamed.iter_mut().filter(|field| !is_public(field)) {
                field.ty = parse_quote!(_);
            }
        }
        Fields::Unit => {}
    }
}

/// Returns true if an item of an implementation is listed, and takes out what is not seen of it. Of
/// a trait's implementation only types are: the rest is the trait's.
fn is_listed(item: &mut ImplItem, of_trait: bool) -> bool {
    let is_public = |visibility: &Visibility| matches!(visibility, Visibility::Public(_));
    match item {
        ImplItem::Fn(function) => {
            function.attrs.retain(is_kept);
            function.block.stmts.clear();
            is_public(&function.vis)
        }
        ImplItem::Const(constant) => {
            constant.attrs.retain(is_kept);
            is_public(&constant.vis)
        }
        ImplItem::Type(_) => of_trait,
        _ => false,
    }
}

fn print(item: Item) -> String {
    let mut file: syn::File = parse_quote!();
    file.items.push(item);
    prettyplease::unparse(&file)
}

fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => Some(path.path.segments.last()?.ident.to_string()),
        Type::Reference(reference) => type_name(&reference.elem),
        _ => None,
    }
}

fn attributes(item: &mut Item) -> &mut Vec<Attribute> {
    match item {
        Item::Const(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::ExternCrate(item) => &mut item.attrs,
        Item::Fn(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        Item::Macro(item) => &mut item.attrs,
        Item::Mod(item) => &mut item.attrs,
        Item::Static(item) => &mut item.attrs,
        Item::Struct(item) => &mut item.attrs,
        Item::Trait(item) => &mut item.attrs,
        Item::Type(item) => &mut item.attrs,
        Item::Use(item) => &mut item.attrs,
        _ => panic!("an item of a kind that is not known here"),
    }
}

fn is_kept(attribute: &Attribute) -> bool {
    KEPT_ATTRIBUTES
        .iter()
        .any(|name| attribute.path().is_ident(name))
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.require_list();
        let words = condition
            .map(|list| list.tokens.to_string())
            .unwrap_or_default();
        attribute.path().is_ident("cfg")
            && words
                .split(|c: char| !c.is_alphanumeric())
                .any(|word| word == "test")
    })
}

/// Returns the lines that only one of both texts has.
fn difference(listed: &str, found: &str) -> String {
    let only = |sign: char, of: &str, other: &str| -> String {
        let other: BTreeSet<&str> = other.lines().collect();
        let lines = of.lines().filter(|line| !other.contains(line));
        lines.map(|line| format!("{sign} {line}\n")).collect()
    };
    only('-', listed, found) + &only('+', found, listed)
}
