use super::*;

const HOST: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
const HIDDEN: &str = "hidden/s3cr3t";

/// A CronJob of one container.
fn cron_job(container: Value) -> Value {
    let pod = json!({"serviceAccountName": "renewer", "containers": [container]});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "ecr-login", "namespace": "team-a"},
        "spec": {"schedule": "0 */6 * * *", "jobTemplate": {"spec": {"template": {"spec": pod}}}},
    })
}

fn shell(script: &str, env: Value) -> Value {
    cron_job(json!({
        "name": "renew", "image": "registry.example.com/aws-kubectl:1", "env": env,
        "command": ["/bin/sh", "-c", script],
    }))
}

fn key_of(secret: &str, id: &str, key: &str) -> Value {
    let from = |key: &str| json!({"secretKeyRef": {"name": secret, "key": key}});
    json!([
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": from(id)},
        {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": from(key)},
    ])
}

fn with_account(role: Option<&str>) -> Value {
    let mut metadata = json!({"name": "renewer"});
    if let Some(role) = role {
        metadata["annotations"] = json!({"eks.amazonaws.com/role-arn": role});
    }
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
}

const RENEW: &str = "kubectl delete secret --ignore-not-found regcred
kubectl create secret docker-registry regcred \\
  --docker-server=https://111122223333.dkr.ecr.eu-west-1.amazonaws.com \\
  --docker-username=AWS --docker-password=\"$(aws ecr get-login-password --region eu-west-1)\"
echo \"renewed at $(date)\"
";

/// The specifications by namespace and name, and all notes.
fn done(object: &Value, beside: &[Value], given: Given<'_>) -> (Vec<(String, Value)>, String) {
    let mut outcome = Outcome::default();
    migrate(object, beside, given, &mut outcome).unwrap_or_else(|e| panic!("{e}\n{object:#}"));
    let yaml = outcome.yaml().unwrap_or_else(|e| panic!("{e:?}"));
    let notes = outcome.notes.join("\n");
    assert!(!yaml.contains(HIDDEN) && !notes.contains(HIDDEN), "{yaml}\n{notes}");
    let credentials = outcome.objects.iter().filter(|o| o["kind"] == "RefreshableCredential");
    let named = credentials.map(|o| {
        let text = |pointer| o.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        (format!("{}/{}", text("/metadata/namespace"), text("/metadata/name")), o["spec"].clone())
    });
    (named.collect(), notes)
}

fn refused(object: &Value, beside: &[Value]) -> String {
    migrate(object, beside, Given::default(), &mut Outcome::default()).expect_err("refused")
}

fn one_registry() -> Value {
    json!({"ecr": {"registries": [{"accountId": "111122223333", "region": "eu-west-1"}]}})
}

#[test]
fn the_credentials_of_the_workload_become_its_source() {
    let role = "arn:aws:iam::111122223333:role/puller";
    let assuming = format!(
        "aws sts assume-role --role-arn {role} --role-session-name pull --external-id 4f2a\n{RENEW}"
    );
    let own_keys = key_of("aws", "id", "secret");
    let web = json!({"webIdentity": {"roleArn": role, "serviceAccountRef": {"name": "renewer"}}});
    let key = json!({"secretRef": {"name": "aws"}, "accessKeyIdKey": "id", "secretAccessKeyKey": "secret"});
    let with_role = Given { role_arn: Some(role), ..Given::default() };
    let nothing = Given::default();
    for (object, account, given, source, roles) in [
        (
            shell(RENEW, own_keys.clone()),
            None,
            nothing,
            json!({"sessionToken": {"accessKey": key}}),
            Value::Null,
        ),
        (
            shell(&assuming, own_keys.clone()),
            None,
            nothing,
            json!({"accessKey": key}),
            json!([{"roleArn": role, "externalId": "4f2a", "roleSessionName": "pull"}]),
        ),
        (
            shell(RENEW, own_keys),
            None,
            with_role,
            json!({"accessKey": key}),
            json!([{"roleArn": role}]),
        ),
        (shell(RENEW, json!([])), Some(role), nothing, web, Value::Null),
        (shell(RENEW, json!([])), None, with_role, Value::Null, json!([{"roleArn": role}])),
    ] {
        let (found, notes) = done(&object, &[with_account(account)], given);
        let (name, spec) = &found[0];
        assert_eq!((found.len(), name.as_str()), (1, "team-a/regcred-ecr"), "{notes}");
        assert_eq!((&spec["source"], &spec["roles"]), (&source, &roles), "{notes}");
        assert_eq!(spec["token"], one_registry());
        assert!(!notes.contains("left out"), "{notes}");
        assert!(notes.contains("imagePullSecrets of Pods and ServiceAccounts instead of regcred"));
    }
    let error = refused(&shell(RENEW, json!([])), &[with_account(None)]);
    assert!(
        error.contains("CronJob ecr-login has no AWS credentials") && error.contains("--role-arn")
    );
}

/// As an image with aws and kubectl is mostly used: all values in a ConfigMap and a Secret.
#[test]
fn variables_come_from_the_config_map_and_the_secret_beside_it() {
    let script = "ECR_TOKEN=`aws ecr get-login-password --region ${AWS_REGION}`
NAMESPACE_NAME=web
kubectl delete secret --ignore-not-found $DOCKER_SECRET_NAME -n $NAMESPACE_NAME
kubectl create secret docker-registry $DOCKER_SECRET_NAME \\
--docker-server=https://${AWS_ACCOUNT}.dkr.ecr.${AWS_REGION}.amazonaws.com \\
--docker-username=AWS --docker-password=\"${ECR_TOKEN}\" --namespace=$NAMESPACE_NAME
kubectl patch serviceaccount default -p '{\"imagePullSecrets\":[{\"name\":\"x\"}]}' -n web";
    let object = cron_job(json!({
        "name": "renew", "image": "example/aws-kubectl:1", "command": ["/bin/sh", "-c", script],
        "envFrom": [{"secretRef": {"name": "helper"}}, {"configMapRef": {"name": "settings"}}],
    }));
    let settings = json!({"kind": "ConfigMap", "metadata": {"name": "settings"},
        "data": {"AWS_REGION": "eu-west-1", "DOCKER_SECRET_NAME": "pull", "HTTPS_PROXY": "http://proxy.example.com"}});
    let secret = json!({"kind": "Secret", "metadata": {"name": "helper"}, "stringData": {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": HIDDEN, "OTHER": HIDDEN},
        "data": {"AWS_ACCOUNT": "MTExMTIyMjIzMzMz"}});
    let (found, notes) = done(&object, &[settings.clone(), secret], Given::default());
    assert_eq!(found[0].0, "web/pull-ecr");
    assert_eq!(
        found[0].1["source"]["sessionToken"]["accessKey"],
        json!({"secretRef": {"name": "helper"}})
    );
    assert_eq!(found[0].1["token"], one_registry());
    for part in [
        "variable HTTPS_PROXY is left out: set it for the controller",
        "variable OTHER has no counterpart and is left out",
        "ServiceAccount default is not patched",
        "namespace web needs what spec.source names",
    ] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }

    // Without the Secret it is not known whose registry it is.
    let error = refused(&object, std::slice::from_ref(&settings));
    assert!(
        error.contains("--registry <HOST>") && error.contains("....dkr.ecr.eu-west-1"),
        "{error}"
    );
    let registries = [HOST.to_owned()];
    let given = Given { registries: &registries, ..Given::default() };
    let (found, notes) = done(&object, &[settings], given);
    assert_eq!(found[0].1["token"], one_registry());
    assert!(notes.contains("Secret helper was not read, and is taken to hold AWS_ACCESS_KEY_ID"));
}

#[test]
fn scripts_of_config_maps_are_read_and_loops_over_namespaces() {
    let script = format!(
        "#!/bin/bash\nset -e\nTOKEN=$(aws ecr get-login-password)\nfor ns in web batch; do\n  kubectl create secret docker-registry pull -n \"$ns\" --docker-server={HOST} --docker-username=AWS --docker-password=\"$TOKEN\" --dry-run=client -o yaml | kubectl apply -f -\ndone\n"
    );
    let map =
        json!({"kind": "ConfigMap", "metadata": {"name": "script"}, "data": {"renew.sh": script}});
    let mut object = cron_job(json!({
        "name": "renew", "image": "example/aws-kubectl:1", "env": key_of("aws", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        "command": ["/bin/bash", "/scripts/renew.sh"],
    }));
    object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "script", "configMap": {"name": "script"}}]);
    let (found, notes) = done(&object, &[map], Given::default());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["batch/pull-ecr", "web/pull-ecr"], "{notes}");
    assert!(!notes.contains("left out"), "{notes}");

    let error = refused(&object, &[]);
    assert!(error.contains("ConfigMap script was not read: give it with -f, too"), "{error}");
}

#[test]
fn programs_that_need_no_script_are_known() {
    let mut env = key_of("cred", "ID", "SECRET");
    let more = [
        ("DOCKER_SECRET_NAME", "pull"),
        ("TARGET_NAMESPACE", "web,batch-*"),
        ("DOCKER_REGISTRIES", "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com"),
        ("AWS_REGION", "eu-west-1"),
    ];
    env.as_array_mut().expect("a list").extend(more.map(|(n, v)| json!({"name": n, "value": v})));
    let object =
        cron_job(json!({"name": "r", "image": "nabsul/k8s-ecr-login-renew:v1.7", "env": env}));
    let (found, notes) = done(&object, &[], Given::default());
    assert_eq!((found.len(), found[0].0.as_str()), (1, "web/pull-ecr"), "{notes}");
    let key = json!({"secretRef": {"name": "cred"}, "accessKeyIdKey": "ID", "secretAccessKeyKey": "SECRET"});
    assert_eq!(found[0].1["source"], json!({"sessionToken": {"accessKey": key}}));
    assert_eq!(found[0].1["token"], one_registry());
    assert!(notes.contains("(batch-*): apply the resource in each of them"), "{notes}");

    let from = |name: &str, key: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "creds-ecr", "key": key}}});
    let container = json!({
        "name": "registry-creds", "image": "upmcenterprises/registry-creds:1.10",
        "args": ["--refresh-mins=30", "--gcr-url=https://gcr.io"],
        "env": [
            from("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"), from("AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
            from("awsaccount", "account"), from("awsregion", "region"), from("aws_assume_role", "role"),
            {"name": "DOCKER_PRIVATE_REGISTRY_PASSWORD", "value": HIDDEN},
        ],
    });
    let object = json!({"kind": "Deployment", "metadata": {"name": "registry-creds", "namespace": "kube-system"},
        "spec": {"template": {"spec": {"containers": [container]}}}});
    let role = "arn:aws:iam::444455556666:role/puller";
    let secret = json!({"kind": "Secret", "metadata": {"name": "creds-ecr"}, "stringData": {
        "AWS_ACCESS_KEY_ID": HIDDEN, "AWS_SECRET_ACCESS_KEY": HIDDEN,
        "account": "111122223333,444455556666", "region": "eu-west-1", "role": role}});
    let (found, notes) = done(&object, &[secret], Given::default());
    assert_eq!(found[0].0, "kube-system/awsecr-cred-ecr");
    let spec = &found[0].1;
    assert_eq!(spec["source"]["accessKey"], json!({"secretRef": {"name": "creds-ecr"}}));
    assert_eq!(spec["roles"], json!([{"roleArn": role}]));
    assert_eq!(spec["token"]["ecr"]["registries"].as_array().map(Vec::len), Some(2));
    for part in [
        "writes to every namespace",
        "argument --gcr-url has no counterpart",
        "variable DOCKER_PRIVATE_REGISTRY_PASSWORD has no counterpart",
    ] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
    assert!(!notes.contains("refresh-mins"), "{notes}");
}

/// Nothing is lost in silence, and nothing secret is shown.
#[test]
fn whatever_has_no_counterpart_is_told() {
    let script = format!(
        "export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY={HIDDEN}
{RENEW}
kubectl create secret docker-registry hub --docker-server=https://index.docker.io/v1/ --docker-password={HIDDEN}
kubectl rollout restart deployment/web
curl --header 'X: {HIDDEN}' https://hooks.example.com
aws s3 ls
aws ecr-public get-login-password --profile other
cat <<EOF | kubectl apply -f -
kind: ServiceAccount
EOF
"
    );
    let mut object = shell(&script, json!([{"name": "VERBOSE", "value": HIDDEN}]));
    object["spec"]["suspend"] = true.into();
    let (found, notes) = done(&object, &[with_account(None)], Given::default());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["team-a/hub-ecr", "team-a/regcred-ecr"], "{notes}");
    let spec = &found[0].1;
    assert_eq!((&spec["suspend"], &spec["token"]["ecr"]["public"]), (&json!(true), &json!(true)));
    assert_eq!(spec["source"]["sessionToken"]["accessKey"]["secretRef"]["name"], "ecr-login-aws");
    for part in [
        "the key is written out in the CronJob",
        "https://index.docker.io/v1/ is not a registry of Amazon ECR",
        "line 9 of container renew (kubectl) is left out",
        "line 10 of container renew (curl) is left out",
        "line 11 of container renew (aws) is left out",
        "--profile of aws is left out",
        "the text that line 13 of container renew writes (<<) is not read",
        "variable VERBOSE has no counterpart",
        "CronJob ecr-login is suspended",
    ] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
}

#[test]
fn a_region_of_another_partition_is_where_sts_is_called() {
    let script = RENEW.replace("eu-west-1.amazonaws.com", "cn-north-1.amazonaws.com.cn");
    let (found, _) = done(&shell(&script, key_of("a", "i", "k")), &[], Given::default());
    assert_eq!(found[0].1["sts"], json!({"region": "cn-north-1"}));
    let error = refused(&shell("kubectl get pods", json!([])), &[]);
    assert!(error.contains("nothing in CronJob ecr-login asks for a password"), "{error}");
    assert!(refused(&json!({"kind": "Service"}), &[]).contains("the Service has no Pods"));
}
