//! The bill of materials of a program, [CycloneDX](https://cyclonedx.org/docs/1.5/json/) 1.5.

use crate::Result;
use crate::crates::Crate;
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::{Bom, SpecVersion};
use cyclonedx_bom::models::component::{Classification, Component, Components};
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::external_reference::{
    ExternalReference, ExternalReferenceType, ExternalReferences,
};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{NormalizedString, Uri, Validate as _};
use std::collections::BTreeMap;

/// Writes it, as JSON. It has neither serial number nor time: the same crates give the same bytes.
///
/// # Errors
/// Where it would not be valid.
pub fn write(program: &Crate, crates: &BTreeMap<String, Crate>) -> Result<Vec<u8>> {
    let dependencies = std::iter::once(program).chain(crates.values()).map(|one| Dependency {
        dependency_ref: one.reference(),
        dependencies: one.needs.iter().cloned().collect(),
    });
    let metadata = Metadata {
        component: Some(component(program, Classification::Application)?),
        ..Metadata::default()
    };
    let components = crates
        .values()
        .map(|one| component(one, Classification::Library))
        .collect::<Result<_>>()?;
    let bom = Bom {
        serial_number: None,
        metadata: Some(metadata),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies.collect())),
        spec_version: SpecVersion::V1_5,
        ..Bom::default()
    };
    let faults = bom.validate_version(SpecVersion::V1_5);
    if !faults.passed() {
        return Err(format!("the bill of materials is not valid: {faults:?}").into());
    }
    let mut json = Vec::new();
    bom.output_as_json(&mut json, SpecVersion::V1_5)?;
    Ok(json)
}

fn component(one: &Crate, kind: Classification) -> Result<Component> {
    let mut component = Component::new(kind, &one.name, &one.version, Some(one.reference()));
    component.purl = Some(Purl::new("cargo", &one.name, &one.version)?);
    component.description = one.description.as_deref().map(NormalizedString::new);
    component.licenses =
        one.licence.as_deref().map(|l| Licenses(vec![LicenseChoice::expression(l)]));
    component.external_references = one.repository.as_deref().map(|url| {
        let kind = ExternalReferenceType::Vcs;
        let url = cyclonedx_bom::models::external_reference::Uri::Url(Uri::new(url));
        ExternalReferences(vec![ExternalReference {
            external_reference_type: kind,
            url,
            comment: None,
            hashes: None,
        }])
    });
    Ok(component)
}
