# attach the certificate's policy with aws iot create-policy and attach-policy; it alone says which certificate may use the role alias

# Account 111122223333

resource "aws_iam_role" "given_111122223333" {
  name = "given"
  assume_role_policy = jsonencode({
    "Statement" = [{
      "Action" = "sts:AssumeRole"
      "Condition" = {
        "ArnEquals" = {
          "aws:SourceArn" = "arn:aws:iot:eu-west-1:111122223333:rolealias/edge"
        }
        "StringEquals" = {
          "aws:SourceAccount" = "111122223333"
        }
      }
      "Effect" = "Allow"
      "Principal" = {
        "Service" = "credentials.iot.amazonaws.com"
      }
      "Sid" = "Iot"
    }]
    "Version" = "2012-10-17"
  })
}

resource "aws_iot_policy" "refreshable-team-a_reports" {
  name = "refreshable-team-a.reports"
  policy = jsonencode({
    "Statement" = [{
      "Action" = "iot:AssumeRoleWithCertificate"
      "Effect" = "Allow"
      "Resource" = "arn:aws:iot:eu-west-1:111122223333:rolealias/edge"
      "Sid" = "Iot"
    }]
    "Version" = "2012-10-17"
  })
}
