//! Replaces the configuration of an image in the local store without touching its layers.
//!
//! Uses `BuildKit`'s gateway, through which a client acts as a frontend: the Dockerfile frontend can add to an image's
//! configuration, but not remove from it. Sources:
//! <https://github.com/moby/buildkit/blob/master/frontend/gateway/pb/gateway.proto> and `solver/pb/ops.proto`.

use std::collections::{BTreeMap, HashMap};

use bollard_buildkit_proto::moby::buildkit::v1::frontend::llb_bridge_client::LlbBridgeClient;
use bollard_buildkit_proto::moby::buildkit::v1::frontend::{ReturnRequest, SolveRequest};
use bollard_buildkit_proto::pb::{Definition, Input, Op, SourceOp, op};
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::direct::normal;
use super::request::Touch;
use crate::backend::oci::name::Digest;

/// The header that assigns a call on a shared connection to a build.
const BUILD: &str = "buildkit-controlapi-buildid";

/// The exporters' name for an image's configuration.
const CONFIG: &str = "containerimage.config";

/// Sets a build's result to the image with its new configuration. Returns at once if `touch` is `None`.
pub(super) async fn touch(
    channel: Channel,
    build: String,
    touch: Option<&Touch<'_>>,
) -> Result<(), Status> {
    let Some(touch) = touch else {
        return Ok(());
    };
    let mut gateway = LlbBridgeClient::new(channel);
    let question = SolveRequest {
        definition: Some(definition(&normal(touch.image))),
        allow_result_return: true,
        allow_result_array_ref: true,
        ..SolveRequest::default()
    };
    let answer = gateway.solve(about(question, &build)?).await?;
    let mut result = answer.into_inner().result.unwrap_or_default();
    result.metadata = HashMap::from([(CONFIG.to_owned(), touch.config.as_bytes().to_vec())]);
    let said = ReturnRequest {
        result: Some(result),
        error: None,
    };
    gateway.r#return(about(said, &build)?).await?;
    Ok(())
}

fn about<T>(message: T, build: &str) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let build = MetadataValue::try_from(build);
    let build = build.map_err(|error| Status::invalid_argument(error.to_string()))?;
    request.metadata_mut().insert(BUILD, build);
    Ok(request)
}

/// A minimal definition whose result is the image with this full name.
fn definition(image: &str) -> Definition {
    let attributes = [("image.resolvemode", "local")];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let source = Op {
        op: Some(op::Op::Source(SourceOp {
            identifier: format!("docker-image://{image}"),
            attrs: BTreeMap::from(attributes),
        })),
        ..Op::default()
    };
    let source = source.encode_to_vec();
    // The last operation refers to the result.
    let result = Op {
        inputs: vec![Input {
            digest: Digest::of(&source).to_string(),
            index: 0,
        }],
        ..Op::default()
    };
    Definition {
        def: vec![source, result.encode_to_vec()],
        ..Definition::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_is_the_image() {
        let made = definition("docker.io/library/a:1");
        let [source, result] = made.def.as_slice() else {
            panic!("two operations");
        };
        let result = Op::decode(result.as_slice()).unwrap();
        assert_eq!(result.inputs[0].digest, Digest::of(source).to_string());
        let source = Op::decode(source.as_slice()).unwrap();
        let Some(op::Op::Source(source)) = source.op else {
            panic!("a source");
        };
        assert_eq!(source.identifier, "docker-image://docker.io/library/a:1");
    }
}
