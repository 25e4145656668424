# the external id of arn:aws:iam::444455556666:role/team-a/spoke stands in a Secret, which is not read: put its value instead of "<the value of key external in Secret inputs>", or give --external-id

# Account 111122223333

resource "aws_iam_role" "hub_111122223333" {
  name = "hub"
  max_session_duration = 7200
  assume_role_policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRole"
      "Condition" = {
        "Bool" = {
          "aws:MultiFactorAuthPresent" = "true"
        }
        "StringEquals" = {
          "aws:RequestTag/cost" = "7"
          "aws:RequestTag/team" = "a"
          "sts:ExternalId" = "4f2a"
          "sts:RoleSessionName" = "night-run"
          "sts:SourceIdentity" = "somebody"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/refreshable"
      }
      "Sid" = "Assume"
    }, {
      "Action" = "sts:TagSession"
      "Condition" = {
        "ForAllValues:StringEquals" = {
          "aws:TagKeys" = ["team", "cost"]
          "sts:TransitiveTagKeys" = ["team"]
        }
        "StringEquals" = {
          "aws:RequestTag/cost" = "7"
          "aws:RequestTag/team" = "a"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/refreshable"
      }
      "Sid" = "TagSession"
    }, {
      "Action" = "sts:SetSourceIdentity"
      "Condition" = {
        "StringEquals" = {
          "sts:SourceIdentity" = "somebody"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/refreshable"
      }
      "Sid" = "SetSourceIdentity"
    }, {
      "Action" = "sts:SetContext"
      "Condition" = {
        "ForAllValues:ArnEquals" = {
          "sts:RequestContextProviders" = ["arn:aws:iam::aws:contextProvider/IdentityCenter"]
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/refreshable"
      }
      "Sid" = "SetContext"
    }]
    "Version" = "2012-10-17"
  })
}

resource "aws_iam_role_policy" "refreshable_111122223333" {
  name = "refreshable-team-a.reports"
  role = "refreshable"
  policy = jsonencode({
    "Statement" = [{
      "Action" = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:SetContext"]
      "Effect" = "Allow"
      "Resource" = "arn:aws:iam::111122223333:role/hub"
      "Sid" = "Assume"
    }]
    "Version" = "2012-10-17"
  })
}

resource "aws_iam_role_policy" "hub_111122223333" {
  name = "refreshable-team-a.reports"
  role = aws_iam_role.hub_111122223333.name
  policy = jsonencode({
    "Statement" = [{
      "Action" = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
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
          "aws:PrincipalTag/team" = "a"
          "aws:SourceIdentity" = "somebody"
          "sts:ExternalId" = "<the value of key external in Secret inputs>"
          "sts:RoleSessionName" = "team-a.reports"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/hub"
      }
      "Sid" = "Assume"
    }, {
      "Action" = "sts:TagSession"
      "Condition" = {
        "ForAllValues:StringEquals" = {
          "aws:TagKeys" = ["team"]
          "sts:TransitiveTagKeys" = ["team"]
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/hub"
      }
      "Sid" = "TagSession"
    }, {
      "Action" = "sts:SetSourceIdentity"
      "Condition" = {
        "StringEquals" = {
          "aws:SourceIdentity" = "somebody"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "AWS" = "arn:aws:iam::111122223333:role/hub"
      }
      "Sid" = "SetSourceIdentity"
    }]
    "Version" = "2012-10-17"
  })
}
