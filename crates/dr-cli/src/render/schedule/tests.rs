use super::*;

#[test]
fn a_difference_is_told_by_line_with_what_it_is_about() {
    colored::control::set_override(false);
    insta::assert_snapshot!(diff("schedules.velero.io/shop", "a: 1\nb: 2\nc: 3\n", "a: 1\nb: 4\nc: 3\nd: 5\n"), @r"
    --- schedules.velero.io/shop, as it is
    +++ schedules.velero.io/shop, as it would be
    @@ -1,3 +1,4 @@
     a: 1
    -b: 2
    +b: 4
     c: 3
    +d: 5
    ");
}
