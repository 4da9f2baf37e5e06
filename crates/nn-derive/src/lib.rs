//! `#[derive(Module)]`: a struct's parameters, named after its fields.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Error, Field, Ident, Member, Result, parse_macro_input};

/// Implements `Module` for a struct all of whose fields implement it. A parameter is named by the path of fields that leads to
/// it: `conv1.weight`. A field marked `#[module(skip)]` is left out.
#[proc_macro_derive(Module, attributes(module))]
pub fn derive_module(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(Error::into_compile_error).into()
}

/// The path to the crate that `Module` lives in, as seen from the crate that derives.
fn nn() -> TokenStream {
    let named = |name: &str| match crate_name(name) {
        Ok(FoundCrate::Name(n)) => Some(Ident::new(&n, Span::call_site())),
        Ok(FoundCrate::Itself) => Some(format_ident!("{}", name.replace('-', "_"))),
        Err(_) => None,
    };
    match (named("striate-nn"), named("striate")) {
        (Some(nn), _) => quote!(::#nn),
        (None, Some(facade)) => quote!(::#facade::nn),
        (None, None) => quote!(::striate::nn),
    }
}

fn is_skipped(field: &Field) -> Result<bool> {
    let mut skip = false;
    for attribute in field.attrs.iter().filter(|a| a.path().is_ident("module")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("skip") {
                return Err(meta.error("unknown option: the only one is #[module(skip)]"));
            }
            skip = true;
            Ok(())
        })?;
    }
    Ok(skip)
}

fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "Module can be derived for structs; implement it by hand for this",
        ));
    };
    let nn = nn();
    let (mut visit, mut visit_mut) = (Vec::new(), Vec::new());
    for (member, field) in data.fields.members().zip(&data.fields) {
        if is_skipped(field)? {
            continue;
        }
        let name = match &member {
            Member::Named(name) => name.to_string().trim_start_matches("r#").to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        visit.push(quote!(#nn::Module::visit(&self.#member, &#nn::module::join(prefix, #name), f);));
        visit_mut.push(quote!(#nn::Module::visit_mut(&mut self.#member, &#nn::module::join(prefix, #name), f);));
    }
    let ident = &input.ident;
    let (generics, types, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics #nn::Module for #ident #types #conditions {
            #[allow(unused_variables)]
            fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, #nn::Entry<'a>)) {
                #(#visit)*
            }
            #[allow(unused_variables)]
            fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, #nn::EntryMut<'a>)) {
                #(#visit_mut)*
            }
        }
    })
}
