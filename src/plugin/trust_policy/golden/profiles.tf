
# Account 111122223333

resource "aws_iam_role" "hub_111122223333" {
  name = "hub"
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
        "AWS" = "arn:aws:iam::111122223333:role/refreshable"
      }
      "Sid" = "Assume"
    }]
    "Version" = "2012-10-17"
  })
}

resource "aws_iam_role_policy" "refreshable_111122223333" {
  name = "refreshable-team-a.reports"
  role = "refreshable"
  policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRole"
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
      "Action" = "sts:AssumeRole"
      "Effect" = "Allow"
      "Resource" = "arn:aws:iam::222233334444:role/reader"
      "Sid" = "Assume"
    }, {
      "Action" = "sts:AssumeRole"
      "Effect" = "Allow"
      "Resource" = "arn:aws:iam::444455556666:role/team-a/spoke"
      "Sid" = "Assume2"
    }]
    "Version" = "2012-10-17"
  })
}

# Account 222233334444

resource "aws_iam_role" "reader_222233334444" {
  name = "reader"
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

# Account 444455556666

resource "aws_iam_role" "spoke_444455556666" {
  name = "spoke"
  path = "/team-a/"
  assume_role_policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRole"
      "Condition" = {
        "StringEquals" = {
          "sts:ExternalId" = "4f2a"
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
