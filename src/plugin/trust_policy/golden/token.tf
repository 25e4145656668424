# account 111122223333 needs an IAM OpenID Connect provider for https://oidc.example.com/id/ABC; AWS must be able to read its discovery document and keys over the internet
# statement Pull names every repository of the registries: narrow it to those that are pulled, like repository/team-a/*
# the repositories of account 222233334444 are another's: in eu-central-1 their repository policies must let in arn:aws:iam::444455556666:role/team-a/spoke with the actions of statement Pull

# Account 111122223333

resource "aws_iam_role" "hub_111122223333" {
  name = "hub"
  assume_role_policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRoleWithWebIdentity"
      "Condition" = {
        "StringEquals" = {
          "oidc.example.com/id/ABC:aud" = "sts.amazonaws.com"
          "oidc.example.com/id/ABC:sub" = "system:serviceaccount:team-a:app"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "Federated" = "arn:aws:iam::111122223333:oidc-provider/oidc.example.com/id/ABC"
      }
      "Sid" = "WebIdentity"
    }]
    "Version" = "2012-10-17"
  })
}

resource "aws_iam_role_policy" "hub_111122223333" {
  name = "refreshable-team-a.reports"
  role = aws_iam_role.hub_111122223333.name
  policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRole"
      "Effect" = "Allow"
      "Resource" = "arn:aws:iam::444455556666:role/team-a/spoke"
      "Sid" = "Assume"
    }]
    "Version" = "2012-10-17"
  })
}

# Account 444455556666

resource "aws_iam_role" "spoke_444455556666" {
  name = "spoke"
  path = "/team-a/"
  assume_role_policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRole"
      "Condition" = {
        "StringEquals" = {
          "sts:RoleSessionName" = "team-a.reports"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/hub"
      }
      "Sid" = "Assume"
    }]
    "Version" = "2012-10-17"
  })
}

resource "aws_iam_role_policy" "spoke_444455556666" {
  name = "refreshable-team-a.reports"
  role = aws_iam_role.spoke_444455556666.name
  policy = jsonencode({
    "Statement" = [{
      "Action" = "ecr:GetAuthorizationToken"
      "Effect" = "Allow"
      "Resource" = "*"
      "Sid" = "Token"
    }, {
      "Action" = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      "Effect" = "Allow"
      "Resource" = ["arn:aws:ecr:eu-west-1:444455556666:repository/*", "arn:aws:ecr:eu-central-1:222233334444:repository/*"]
      "Sid" = "Pull"
    }, {
      "Action" = ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"]
      "Effect" = "Allow"
      "Resource" = "*"
      "Sid" = "PublicToken"
    }]
    "Version" = "2012-10-17"
  })
}
